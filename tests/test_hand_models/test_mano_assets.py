from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handvit.hand_models.mano_assets import (
    HandAsset,
    fix_left_shapedirs,
    load_hand_asset,
    save_hand_asset,
)


@pytest.fixture(scope="module")
def right() -> HandAsset:
    return load_hand_asset("openhand")


@pytest.fixture(scope="module")
def left() -> HandAsset:
    return load_hand_asset("openhand", is_right=False)


def saved_arrays(asset: HandAsset, folder: Path) -> dict[str, np.ndarray]:
    save_hand_asset(asset, folder / "saved.npz")
    with np.load(folder / "saved.npz", allow_pickle=False) as file:
        return dict(file)


def test_openhand_is_mano_shaped(right):
    assert right.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
    assert right.faces.dtype == np.int64 and right.faces.max() == 777
    np.testing.assert_allclose(right.weights.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(right.j_regressor.sum(1), 1, atol=1e-6)


def test_identities_are_stable(right, left):
    """Checkpoints and data sets carry these names: they change with the packaged files only."""
    assert right.identity == "openhand:8c7a427d3a4c"
    assert left.identity == "openhand:2ea422d36565"


def test_left_is_the_mirror_image(right, left):
    flip = np.array([-1, 1, 1], np.float32)
    np.testing.assert_array_equal(left.v_template, right.v_template * flip)
    np.testing.assert_array_equal(left.shapedirs, right.shapedirs * flip[:, None])
    np.testing.assert_array_equal(left.faces, right.faces[:, ::-1])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_digest_ignores_compression_and_byte_order(right, tmp_path, save):
    arrays = saved_arrays(right, tmp_path)
    arrays["v_template"] = arrays["v_template"].astype(">f4")
    save(tmp_path / "again.npz", **arrays)
    again = load_hand_asset(str(tmp_path / "again.npz"))
    assert again.identity == right.identity


def test_digest_sees_every_array(right):
    for field in ("v_template", "shapedirs", "posedirs", "j_regressor", "weights", "faces"):
        changed = getattr(right, field).copy()
        changed.flat[7] += 1
        assert replace(right, **{field: changed}).sha256 != right.sha256
    assert replace(right, parents=(-1, *[0] * 15)).sha256 != right.sha256


def test_saving_keeps_everything(right, tmp_path):
    save_hand_asset(replace(right, name="mano"), tmp_path / "deep" / "MANO_RIGHT.npz")
    loaded = load_hand_asset(str(tmp_path / "deep" / "MANO_RIGHT.npz"))
    assert loaded.name == "mano" and loaded.sha256 == right.sha256
    assert loaded.parents == right.parents
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["MANO_RIGHT.npz"]


@pytest.mark.parametrize("is_right", [True, False])
def test_other_side_is_refused(right, left, tmp_path, is_right):
    save_hand_asset(left if is_right else right, tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"other\.npz: holds a (left|right) hand"):
        load_hand_asset(str(tmp_path / "other.npz"), is_right=is_right)


def test_pickle_is_not_opened(tmp_path):
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(b"anything")
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl: .*setup_mano\.py"):
        load_hand_asset(str(tmp_path / "MANO_RIGHT.pkl"))


@pytest.mark.parametrize("source", ["data/mano/MISSING.npz", "mano"])
def test_missing_file_says_what_to_do(source):
    with pytest.raises(ValueError, match=rf"{source}: .*setup_mano\.py"):
        load_hand_asset(source)


def test_damaged_file_is_named(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(ValueError, match=r"broken\.npz: not a readable \.npz"):
        load_hand_asset(str(tmp_path / "broken.npz"))


def test_object_arrays_are_not_unpickled(right, tmp_path):
    arrays = saved_arrays(right, tmp_path)
    arrays["weights"] = arrays["weights"].astype(object)
    np.savez(tmp_path / "objects.npz", **arrays)
    with pytest.raises(ValueError, match=r"objects\.npz: .*allow_pickle=False"):
        load_hand_asset(str(tmp_path / "objects.npz"))


def spoil(arrays: dict[str, np.ndarray], key: str, value: object) -> None:
    if value is None:
        del arrays[key]
    else:
        arrays[key] = np.broadcast_to(value, arrays[key].shape)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", None, "key 'name' is missing"),
        ("posedirs", None, "key 'posedirs' is missing"),
        ("weights", np.nan, "weights holds NaN"),
        ("kintree_table", 15, "parent after its child"),
        ("J_regressor", "text", "J_regressor is .* want"),
    ],
)
def test_bad_content_is_named(right, tmp_path, key, value, message):
    arrays = saved_arrays(right, tmp_path)
    spoil(arrays, key, value)
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        load_hand_asset(str(tmp_path / "bad.npz"))


def test_wrong_shape_is_named(right, tmp_path):
    arrays = saved_arrays(right, tmp_path)
    arrays["shapedirs"] = arrays["shapedirs"][..., :5]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=r"shapedirs is \(778, 3, 5\) float32, want"):
        load_hand_asset(str(tmp_path / "bad.npz"))


def test_shapedirs_of_the_official_left_hand_are_mirrored(right, left):
    fixed = fix_left_shapedirs(right.shapedirs, right.shapedirs)
    np.testing.assert_array_equal(fixed, left.shapedirs)
    assert fixed.dtype == np.float32


def test_mirrored_shapedirs_stay(right, left):
    np.testing.assert_array_equal(
        fix_left_shapedirs(left.shapedirs, right.shapedirs), left.shapedirs
    )


def test_unrelated_shapedirs_are_refused(right):
    noise = np.random.default_rng(0).normal(size=right.shapedirs.shape)
    with pytest.raises(ValueError, match="do not belong to the right hand"):
        fix_left_shapedirs(noise, right.shapedirs)
