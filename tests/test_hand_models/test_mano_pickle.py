import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from handvit.hand_models.mano_assets import ARRAY_KEYS, asset_from_arrays, load_hand_asset
from handvit.hand_models.mano_pickle import load_mano_pickle


def _keep(self: Any, **state: Any) -> None:
    self.__dict__.update(state)


@pytest.fixture
def chumpy(monkeypatch) -> ModuleType:
    """Pretend that chumpy is installed, with classes that keep what they are given."""
    package = ModuleType("chumpy")
    for module_name, class_name in (("ch", "Ch"), ("reordering", "Select"), ("ch", "MatVecMult")):
        full_name = f"chumpy.{module_name}"
        module = sys.modules.get(full_name) or ModuleType(full_name)
        created = type(class_name, (), {"__module__": full_name, "__init__": _keep})
        setattr(module, class_name, created)
        setattr(package, class_name, created)
        monkeypatch.setitem(sys.modules, full_name, module)
    monkeypatch.setitem(sys.modules, "chumpy", package)
    return package


def openhand_arrays(*, is_right: bool = True) -> dict[str, np.ndarray]:
    """Return the open hand under MANO's keys in MANO's number types."""
    asset = load_hand_asset("openhand", is_right=is_right)
    parents = np.array([2**32 - 1, *asset.parents[1:]], np.uint32)
    return {
        "v_template": asset.v_template.astype(np.float64),
        "shapedirs": asset.shapedirs.astype(np.float64),
        "posedirs": asset.posedirs.astype(np.float64),
        "J_regressor": asset.j_regressor.astype(np.float64),
        "weights": asset.weights.astype(np.float64),
        "f": asset.faces.astype(np.uint32),
        "kintree_table": np.stack([parents, np.arange(16, dtype=np.uint32)]),
        "hands_mean": asset.hands_mean.astype(np.float64),
        "hands_components": asset.hands_components.astype(np.float64),
    }


def mano_content(chumpy: ModuleType, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Arrange arrays as in the official file: chumpy arrays, a sparse matrix, other entries."""
    shapedirs = arrays["shapedirs"]
    num_stored = shapedirs.size + 5  # the official array is a part of a larger one
    stored = np.concatenate([[9.0] * 5, shapedirs.ravel()])
    status = {"_dirty_vars": {"x"}, "_itr": None, "_depends_on_deps": {}}
    return {
        **arrays,
        "v_template": np.asfortranarray(arrays["v_template"]),
        "shapedirs": chumpy.Select(
            a=chumpy.Ch(x=stored, **status),
            idxs=np.arange(5, num_stored),
            preferred_shape=(778, np.int64(3), 10),
            **status,
        ),
        "posedirs": chumpy.Ch(x=arrays["posedirs"], **status),
        "J_regressor": csc_matrix(arrays["J_regressor"]),
        "J": np.zeros((16, 3)),
        "hands_coeffs": chumpy.MatVecMult(mtx=1),
        "bs_style": "lbs",
    }


def check_equal(path: Path, expected: dict[str, np.ndarray]) -> None:
    arrays = load_mano_pickle(path)
    assert tuple(arrays) == ARRAY_KEYS
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_python2_file_with_chumpy(chumpy, tmp_path, protocol, monkeypatch, write_python2_pickle):
    expected = openhand_arrays()
    content = mano_content(chumpy, expected)
    path = tmp_path / "MANO_RIGHT.pkl"
    write_python2_pickle(path, content, protocol)
    for module in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        monkeypatch.delitem(sys.modules, module)
    check_equal(path, expected)
    written = path.read_bytes()
    for name in (b"chumpy.reordering\nSelect", b"scipy.sparse.csc\n", b"numpy.core.multiarray\n"):
        assert name in written
    assert b"__builtin__\nset" in written and b"_codecs" not in written


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_files_that_were_pickled_again(chumpy, tmp_path, protocol):
    expected = openhand_arrays()
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(mano_content(chumpy, expected), protocol))
    check_equal(path, expected)


@pytest.mark.parametrize("is_right", [True, False])
def test_makes_the_same_hand(tmp_path, is_right):
    path = tmp_path / "MANO.pkl"
    path.write_bytes(pickle.dumps(openhand_arrays(is_right=is_right), 2))
    asset = asset_from_arrays(load_mano_pickle(path), name="openhand", is_right=is_right, path=path)
    assert asset.identity == load_hand_asset("openhand", is_right=is_right).identity


def test_big_endian_arrays_keep_their_values(tmp_path):
    expected = openhand_arrays()
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps({**expected, "weights": expected["weights"].astype(">f8")}))
    check_equal(path, expected)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"weights": "text"}, "weights is not stored .*str"),
        ({"weights": np.array([None])}, "weights is not stored .*'O8' is not a number"),
        ({"weights": np.array([(1, 2)], "i4,i4")}, "weights is not stored .*'V8' is not a number"),
        ({"shapedirs": {1, 2}}, "shapedirs is not stored .*set"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_unknown_contents_are_named(tmp_path, spoil, message, protocol):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps({**openhand_arrays(), **spoil}, protocol))
    with pytest.raises(ValueError, match=rf"MANO_RIGHT\.pkl: {message}"):
        load_mano_pickle(path)


def test_unknown_chumpy_class_is_named(chumpy, tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    content = {**openhand_arrays(), "posedirs": chumpy.MatVecMult(mtx=1)}
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"cannot evaluate chumpy\.ch\.MatVecMult"):
        load_mano_pickle(path)


def test_truncated_array_is_named(chumpy, tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    content = {**openhand_arrays(), "posedirs": chumpy.Ch(y=1)}
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="posedirs is not stored the way MANO stores it"):
        load_mano_pickle(path)


def test_missing_key_is_named(tmp_path):
    content = openhand_arrays()
    del content["hands_mean"]
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl: key 'hands_mean' is missing"):
        load_mano_pickle(path)


def test_other_pickles_are_refused(tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="holds a list, want MANO's dictionary"):
        load_mano_pickle(path)
