import os

import numpy as np
import pytest

from handvit.datasets.converters.dexycb.files import (
    load_betas,
    load_extrinsics,
    load_intrinsics,
    load_labels,
    load_sequence,
    load_yaml,
)
from handvit.datasets.converters.dexycb.splits import SERIALS

META = """\
extrinsics: '20200702_151821'
mano_calib:
- 20200709_140042_subject-01_right
mano_sides:
- right
num_frames: 72
serials: ['836212060125', '839512060362']
ycb_grasp_ind: 0
ycb_ids: [1, 11, 10, 15]
"""
#: As ``yaml.dump`` writes tuples.
EXTRINSICS = "\n".join(
    [
        "extrinsics:",
        *(
            f"  '{serial}': !!python/tuple\n" + "\n".join(f"  - {12 * i + k}" for k in range(12))
            for i, serial in enumerate(SERIALS)
        ),
        "  apriltag: !!python/tuple [1, 0, 0, 0.5, 0, 1, 0, 0, 0, 0, 1, 0.25]",
        "master: '840412060917'",
    ]
)
INTRINSICS = "color: {fx: 613.5, fy: 614, ppx: 321.25, ppy: 240.5}\ndepth: {fx: 1.0}\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def arrays(**changes):
    plain = dict(
        seg=np.zeros((480, 640), np.uint8),
        pose_y=np.zeros((2, 3, 4), np.float32),
        pose_m=np.arange(51, dtype=np.float32)[None],
        joint_3d=np.ones((1, 21, 3), np.float32),
        joint_2d=np.full((1, 21, 2), 2, np.float32),
    )
    return {**plain, **changes}


def test_meta_of_a_sequence(tmp_path):
    write(tmp_path / "meta.yml", META)
    sequence = load_sequence(tmp_path)
    assert sequence.num_frames == 72 and sequence.is_right
    assert sequence.extrinsics == "20200702_151821"
    assert sequence.mano_calib == "20200709_140042_subject-01_right"
    write(tmp_path / "meta.yml", META.replace("- right", "- left"))
    assert not load_sequence(tmp_path).is_right


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_frames: 72", "num_frames: 0"),
        ("num_frames: 72", "num_frames: many"),
        ("- right", "- right\n- left"),
        ("- right", "- both"),
        ("extrinsics: '20200702_151821'", ""),
        ("num_frames: 72", "num_frames: [72"),
    ],
)
def test_other_meta_is_refused(tmp_path, old, new):
    write(tmp_path / "meta.yml", META.replace(old, new))
    with pytest.raises(ValueError, match=r"meta\.yml: .*dex-ycb\.github\.io"):
        load_sequence(tmp_path)


def test_calibration_files(tmp_path):
    calibration = tmp_path / "calibration"
    write(calibration / "intrinsics" / "7_640x480.yml", INTRINSICS)
    write(calibration / "extrinsics_a" / "extrinsics.yml", EXTRINSICS)
    write(calibration / "mano_b" / "mano.yml", f"betas: {list(range(10))}\n")
    camera = load_intrinsics(tmp_path, "7")
    assert camera.focal.tolist() == [613.5, 614] and camera.princpt.tolist() == [321.25, 240.5]
    places = load_extrinsics(tmp_path, "a")
    assert list(places) == list(SERIALS)
    assert places[SERIALS[1]].tolist() == [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]
    assert load_betas(tmp_path, "b").tolist() == list(range(10))
    with pytest.raises(ValueError, match=r"8_640x480\.yml: No such file"):
        load_intrinsics(tmp_path, "8")


def test_calibration_of_another_shape_is_refused(tmp_path):
    calibration = tmp_path / "calibration"
    write(calibration / "intrinsics" / "7_640x480.yml", INTRINSICS.replace("614", "wide"))
    with pytest.raises(ValueError, match="fy is 'wide', want a float"):
        load_intrinsics(tmp_path, "7")
    write(calibration / "extrinsics_a" / "extrinsics.yml", EXTRINSICS.replace("  - 95", ""))
    with pytest.raises(ValueError, match=rf"{SERIALS[7]} is .*, want 12 numbers"):
        load_extrinsics(tmp_path, "a")
    write(calibration / "extrinsics_a" / "extrinsics.yml", EXTRINSICS.replace(SERIALS[2], "7"))
    with pytest.raises(ValueError, match=rf"{SERIALS[2]} is None"):
        load_extrinsics(tmp_path, "a")
    write(calibration / "mano_b" / "mano.yml", "betas: [1, 2, x, 4, 5, 6, 7, 8, 9, 10]")
    with pytest.raises(ValueError, match=r"betas is .*, want 10 numbers"):
        load_betas(tmp_path, "b")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir ['{proof}']",
        "betas: !!python/object/apply:os.mkdir ['{proof}']",
        "betas: !!python/object/new:os.mkdir ['{proof}']",
        "betas: !!python/name:os.mkdir",
    ],
)
def test_yaml_that_asks_for_more_than_tuples_executes_nothing(tmp_path, text):
    proof = tmp_path / "proof"
    path = write(tmp_path / "mano.yml", text.format(proof=proof))
    with pytest.raises(ValueError, match=r"mano\.yml: not a plain YAML file"):
        load_yaml(path)
    assert not os.path.exists(proof)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: 'open", "\x00"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"x\.yml: "):
        load_yaml(write(tmp_path / "x.yml", text))


def test_labels_of_a_frame(tmp_path):
    np.savez_compressed(tmp_path / "labels.npz", **arrays())
    labels = load_labels(tmp_path / "labels.npz")
    assert labels.global_orient.tolist() == [0, 1, 2]
    assert labels.coefficients.tolist() == list(range(3, 48))
    assert labels.transl.tolist() == [48, 49, 50]
    assert labels.keypoints_cam.shape == (21, 3) and labels.keypoints_img.shape == (21, 2)
    assert labels.keypoints_cam.dtype == np.float64
    assert labels.is_possible and not labels.is_absent


def test_absent_hands(tmp_path):
    path = tmp_path / "labels.npz"
    none = np.full((1, 21, 3), -1, np.float32)
    for change in (dict(joint_3d=none), dict(pose_m=np.zeros((1, 51), np.float32))):
        np.savez(path, **arrays(**change))
        assert load_labels(path).is_absent
    pose = np.zeros((1, 51), np.float32)
    pose[0, 50] = 0.5
    np.savez(path, **arrays(pose_m=pose))
    assert not load_labels(path).is_absent


@pytest.mark.parametrize(("key", "value"), [("joint_2d", np.nan), ("joint_3d", -0.1)])
def test_labels_that_no_hand_can_have(tmp_path, key, value):
    joints = arrays()[key].copy()
    joints[0, 3, -1] = value
    np.savez(tmp_path / "labels.npz", **arrays(**{key: joints}))
    assert not load_labels(tmp_path / "labels.npz").is_possible


def test_segmentation_is_not_read(tmp_path):
    """A segmentation that could not be decoded does no harm, because nobody looks."""
    np.savez(tmp_path / "labels.npz", **arrays(seg=np.array([{"no": "array"}], object)))
    load_labels(tmp_path / "labels.npz")


def test_damaged_labels_are_named(tmp_path):
    path = tmp_path / "labels_000003.npz"
    with pytest.raises(FileNotFoundError):
        load_labels(path)
    np.savez_compressed(path, **arrays())
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"<html>", content[200:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"labels_000003\.npz: not a readable \.npz"):
            load_labels(path)
    np.savez(path, pose_m=arrays()["pose_m"])
    with pytest.raises(ValueError, match=r"labels_000003\.npz: .*joint_3d is not a file"):
        load_labels(path)
    for change in (
        dict(pose_m=np.zeros((1, 48), np.float32)),
        dict(joint_3d=np.zeros((2, 21, 3), np.float32)),
        dict(joint_2d=np.zeros((1, 21, 2), int)),
    ):
        np.savez(path, **arrays(**change))
        with pytest.raises(ValueError, match=rf"labels_000003\.npz: {next(iter(change))} is"):
            load_labels(path)


def test_pickles_in_labels_execute_nothing(tmp_path):
    path, proof = tmp_path / "labels.npz", tmp_path / "proof"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    np.savez(path, **arrays(pose_m=np.array([Trap()], object)))
    with pytest.raises(ValueError, match="not a readable"):
        load_labels(path)
    assert not proof.exists()
