import json
import os

import numpy as np
import pytest

from handvit.datasets.converters.arctic.files import (
    load_ego_camera,
    load_motion,
    load_sequence_names,
    load_subjects,
)

NUM_FRAMES = 6


def subject(**changes):
    plain = {
        "gender": "female",
        "ioi_offset": 3,
        "image_size": [[2800, 2000], *[[2000, 2800]] * 8],
        "intris_mat": [[[900.0, 0, 30], [0, 901.0, 40], [0, 0, 1]]] * 8,
        "world2cam": np.tile(np.eye(4), (8, 1, 1)).tolist(),
    }
    return {**plain, **changes}


def hand(num_frames=NUM_FRAMES, **changes):
    plain = {
        "rot": np.ones((num_frames, 3), np.float32),
        "pose": np.full((num_frames, 45), 2, np.float32),
        "trans": np.full((num_frames, 3), 3, np.float32),
        "shape": np.arange(10, dtype=np.float32),
        "fitting_err": [0.5] * num_frames,
    }
    return {**plain, **changes}


def ego(**changes):
    plain = {
        "R_k_cam_np": np.tile(np.eye(3), (NUM_FRAMES, 1, 1)),
        "T_k_cam_np": np.arange(3.0 * NUM_FRAMES).reshape(NUM_FRAMES, 3, 1),
        "intrinsics": np.array([[900.0, 0, 30], [0, 901.0, 40], [0, 0, 1]]),
        "ego_markers.ref": np.zeros((4, 3)),
        "ego_markers.label": np.array(["EGO1", "EGO2", "EGO3", "EGO4"]),
        "R0": np.eye(3),
        "T0": np.zeros((3, 1)),
        "dist8": np.arange(8.0),
    }
    return {**plain, **changes}


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_splits(tmp_path):
    path = tmp_path / "splits_json" / "protocol_p2.json"
    write_json(path, {"train": ["s01/box_grab_01", "s02/mixer_use_02"], "val": ["s05/box_use_01"]})
    assert load_sequence_names(tmp_path, "p2", "train") == ["s01/box_grab_01", "s02/mixer_use_02"]
    assert load_sequence_names(tmp_path, "p2", "val") == ["s05/box_use_01"]
    for names in ([], ["box"], ["../../box"], [1], "s01/box", ["s01/box", "s01/box"], None):
        write_json(path, {"train": names})
        with pytest.raises(ValueError, match=r"protocol_p2\.json: train"):
            load_sequence_names(tmp_path, "p2", "train")
    with pytest.raises(ValueError, match=r"protocol_p1\.json: No such file.*arctic\.is\.tue"):
        load_sequence_names(tmp_path, "p1", "train")


def test_subjects(tmp_path):
    path = tmp_path / "meta" / "misc.json"
    write_json(path, {"s01": subject(), "s10": subject(ioi_offset=0)})
    subjects = load_subjects(tmp_path)
    assert list(subjects) == ["s01", "s10"]
    assert [entry.image_offset for entry in subjects.values()] == [3, 0]
    first = subjects["s01"]
    assert first.intrinsics.shape == (8, 3, 3) and first.world_to_cam.shape == (8, 4, 4)
    assert first.image_sizes[:2].tolist() == [[2800, 2000], [2000, 2800]]
    path.write_text('{"s01": {')
    with pytest.raises(ValueError, match=r"misc\.json: not a readable JSON"):
        load_subjects(tmp_path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"misc\.json: holds a list"):
        load_subjects(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ioi_offset", "three"),
        ("ioi_offset", None),
        ("image_size", [[2800, 2000]] * 8),
        ("intris_mat", [np.eye(3).tolist()] * 9),
        ("intris_mat", "wide"),
        ("world2cam", [[1, 2], [3]]),
        ("world2cam", None),
    ],
)
def test_other_subjects_are_refused(tmp_path, key, value):
    write_json(tmp_path / "meta" / "misc.json", {"s04": subject(**{key: value})})
    with pytest.raises(ValueError, match=rf"misc\.json: s04: {key}"):
        load_subjects(tmp_path)


@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 0), (2, 0)])
def test_cameras_with_skew_are_refused(tmp_path, row, column):
    matrices = np.array(subject()["intris_mat"], float)
    matrices[5, row, column] = 0.5
    write_json(tmp_path / "meta" / "misc.json", {"s01": subject(intris_mat=matrices.tolist())})
    with pytest.raises(ValueError, match=r"s01: intrinsics are not those of a camera without skew"):
        load_subjects(tmp_path)


def test_motion_of_both_hands(tmp_path):
    path = tmp_path / "box_grab_01.mano.npy"
    np.save(path, {"right": hand(), "left": hand(shape=np.zeros((NUM_FRAMES, 10)))})
    motions = load_motion(path)
    assert list(motions) == ["right", "left"]
    right = motions["right"]
    assert right.global_orient.shape == (NUM_FRAMES, 3) and (right.global_orient == 1).all()
    assert right.hand_pose.shape == (NUM_FRAMES, 45) and (right.hand_pose == 2).all()
    assert right.transl.dtype == np.float64 and (right.transl == 3).all()
    assert right.betas.tolist() == [list(range(10))] * NUM_FRAMES
    assert motions["left"].betas.shape == (NUM_FRAMES, 10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"right": hand()}, "left: is missing"),
        ({"right": hand(), "left": hand(5)}, "the hands have different numbers of frames"),
        ({"right": hand(pose=np.zeros((NUM_FRAMES, 48))), "left": hand()}, "right: pose has shape"),
        ({"right": hand(trans=np.zeros((5, 3))), "left": hand()}, "right: trans has shape"),
        ({"right": hand(), "left": hand(shape=np.zeros((4, 10)))}, "left: shape is"),
        ({"right": hand(), "left": hand(shape=None)}, "left: shape"),
        ({"right": hand(rot="none"), "left": hand()}, "right: rot is no array"),
        ([1, 2], "holds a list, want a dictionary"),
    ],
)
def test_other_motions_are_refused(tmp_path, content, message):
    boxed = np.empty((), object)
    boxed[()] = content
    np.save(tmp_path / "a.mano.npy", boxed)
    with pytest.raises(ValueError, match=rf"a\.mano\.npy: {message}"):
        load_motion(tmp_path / "a.mano.npy")


def test_ego_camera(tmp_path):
    path = tmp_path / "a.egocam.dist.npy"
    np.save(path, ego())
    camera = load_ego_camera(path)
    assert camera.rotation.shape == (NUM_FRAMES, 3, 3)
    assert camera.translation[1].tolist() == [3, 4, 5]
    assert camera.intrinsics[1].tolist() == [0, 901, 40]
    assert camera.distortion.tolist() == list(range(8))
    for change in (
        dict(dist8=np.zeros(5)),
        dict(dist8=np.full(8, np.nan)),
        dict(dist8=None),
        dict(T_k_cam_np=np.zeros((NUM_FRAMES, 3))),
        dict(R_k_cam_np=np.zeros((3, 3))),
        dict(intrinsics=np.zeros((3, 3))),
    ):
        np.save(path, ego(**change))
        with pytest.raises(ValueError, match=rf"a\.egocam\.dist\.npy: {next(iter(change))}"):
            load_ego_camera(path)


def test_damaged_and_missing_files_are_named(tmp_path):
    path = tmp_path / "a.mano.npy"
    with pytest.raises(ValueError, match=r"a\.mano\.npy: cannot be read"):
        load_motion(path)
    np.save(path, {"right": hand(), "left": hand()})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"a\.mano\.npy: not a readable pickle"):
        load_motion(path)
    np.save(path, np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.mano\.npy: holds a \(3,\) array"):
        load_motion(path)


def test_pickles_execute_nothing(tmp_path):
    proof = tmp_path / "proof"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    np.save(tmp_path / "a.mano.npy", {"right": hand(fitting_err=Trap()), "left": hand()})
    with pytest.raises(ValueError, match=r"a\.mano\.npy: refused"):
        load_motion(tmp_path / "a.mano.npy")
    assert not proof.exists()
