import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE, CropView, FullFrameView
from handvit.datasets.converters.rhd import (
    HIDDEN,
    MIN_VISIBLE,
    NOT_FINITE,
    RhdConverter,
    load_labels,
)
from handvit.structures.skeleton import BONES

IDS = (7, 0, 41257)  # in the pickle's order, which is not sorted
#: One hand of RHD, written out: wrist, then thumb..pinky, each from its tip to its base.
RHD_ORDER = [0, *(4 * finger + joint for finger in range(5) for joint in (4, 3, 2, 1))]


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(num_frames=len(IDS), size=(320, 320), world_is_camera=True)


@pytest.fixture
def raw(tmp_path, world, write_picture, write_python2_pickle):
    """Raw files in their published layout; ``raw.edit(function)`` changes the annotations."""
    folder, camera = tmp_path / "RHD_published_v2" / "training", world.cameras[0]
    content = {}
    for frame, number in enumerate(IDS):
        write_picture(folder / "color" / f"{number:05d}.png", world.picture(frame, camera))
        hands = [world.hands[frame][side].keypoints[RHD_ORDER] for side in ("left", "right")]
        xyz = np.concatenate(hands)  # (42, 3)
        uv_vis = np.column_stack([camera.project(xyz), np.ones(42)])
        content[number] = {
            "uv_vis": uv_vis.astype(np.float32),
            "xyz": xyz.astype(np.float32),
            "K": camera.matrix.astype(np.float32),
        }
    path = folder / "anno_training.pickle"
    write_python2_pickle(path, content)

    def edit(change) -> None:
        change(content)
        write_python2_pickle(path, content)

    return SimpleNamespace(root=folder.parent, folder=folder, path=path, edit=edit)


def convert(raw, collect, view=FullFrameView()):  # noqa: B008
    return collect(RhdConverter(raw.root, split="training", view=view))


@pytest.mark.parametrize("view", [FullFrameView(), CropView(96, 2.0)])
def test_truth_is_recovered(raw, world, collect, assert_truth, view):
    samples, rejected = convert(raw, collect, view)
    assert len(samples) == 6 and not rejected
    for frame, number in enumerate(IDS):
        for side, hand in world.hands[frame].items():
            sample = samples[f"rhd/training-{number:05d}/cam0/0/{side}"]
            assert sample.camera_valid and not sample.mano_valid
            assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
            assert_truth(sample, hand, world.cameras[0], world.pair)


def test_every_picture_is_a_sequence_of_its_own(raw, collect):
    samples = convert(raw, collect)[0]
    assert len({sample.track for sample in samples.values()}) == len(samples)
    assert list(samples)[::2] == [f"rhd/training-{i:05d}/cam0/0/left" for i in sorted(IDS)]


def test_hidden_keypoints_are_annotated_and_hidden_hands_are_left_out(raw, collect):
    def change(content):
        content[0]["uv_vis"][: 21 - MIN_VISIBLE, 2] = 0  # left: just enough
        content[7]["uv_vis"][21 + MIN_VISIBLE - 1 :, 2] = 0  # right: one too few

    raw.edit(change)
    samples, rejected = convert(raw, collect)
    assert samples["rhd/training-00000/cam0/0/left"].keypoints_img_valid.all()
    assert [item.reason for item in rejected] == [HIDDEN]
    assert rejected[0].where == f"{raw.path}: id 7, right hand" and len(samples) == 5


def test_keypoints_behind_the_camera_are_not_valid(raw, collect):
    def change(content):
        content[0]["xyz"][2, 2] = 0.0  # left thumb, second from its tip
        content[0]["uv_vis"][2, :2] = 1e6
        content[7]["xyz"][21, 2] *= -1  # right wrist
        content[41257]["xyz"][MIN_VISIBLE - 1 : 21, 2] *= -1  # left: one too many

    raw.edit(change)
    samples, rejected = convert(raw, collect)
    left = samples["rhd/training-00000/cam0/0/left"]
    assert np.flatnonzero(~left.keypoints_cam_valid).tolist() == [3]
    assert np.flatnonzero(~left.keypoints_img_valid).tolist() == [3]
    assert not left.keypoints_cam[3].any() and not left.keypoints_img[3].any()
    assert left.bbox_xyxy.max() < 1e3
    right = samples["rhd/training-00007/cam0/0/right"]
    assert not right.keypoints_cam_valid.any() and not right.keypoints_cam.any()
    assert np.flatnonzero(~right.keypoints_img_valid).tolist() == [0]
    assert [item.reason for item in rejected] == [HIDDEN]
    assert rejected[0].where == f"{raw.path}: id 41257, left hand"


@pytest.mark.parametrize("key", ["uv_vis", "xyz", "K"])
def test_labels_that_are_not_finite_are_counted(raw, collect, key):
    raw.edit(lambda content: content[7][key].__setitem__((0, 0), np.nan))
    samples, rejected = convert(raw, collect)
    assert {item.reason for item in rejected} == {NOT_FINITE} and len(samples) == 6 - len(rejected)
    assert str(raw.path) in rejected[0].where


def test_missing_and_broken_images_are_counted(raw, collect):
    (raw.folder / "color" / "00007.png").unlink()
    image = raw.folder / "color" / "41257.png"
    image.write_bytes(image.read_bytes()[:100])
    samples, rejected = convert(raw, collect)
    assert len(samples) == 2 and [item.reason for item in rejected] == [NO_IMAGE, BAD_IMAGE]
    assert "00007.png" in rejected[0].where and "41257.png" in rejected[1].where


@pytest.mark.parametrize("name", ["anno_training.pickle", "color"])
def test_missing_files_are_named_with_their_origin(raw, name):
    (raw.folder / name).rename(raw.folder / "elsewhere")
    with pytest.raises(ValueError, match=rf"{name}: not found; get RHD_published_v2\.zip"):
        RhdConverter(raw.root, split="training", view=FullFrameView())


def test_half_a_download_is_named(raw):
    raw.path.write_bytes(raw.path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"anno_training\.pickle: not a readable pickle"):
        load_labels(raw.path)


def test_hostile_pickle_runs_nothing(raw, tmp_path):
    class Attack:
        def __reduce__(self):
            return eval, (f"open({str(tmp_path / 'executed')!r}, 'w')",)

    raw.path.write_bytes(pickle.dumps({0: Attack()}, 2))
    with pytest.raises(ValueError, match=r"anno_training\.pickle: refused"):
        load_labels(raw.path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "want a dictionary of annotations by id"),
        ({}, "want a dictionary of annotations by id"),
        ({"a": {}}, "id 'a': want a number and a dictionary"),
        ({3: [1]}, "id 3: want a number and a dictionary"),
        ({3: {"uv_vis": np.zeros((42, 3)), "xyz": np.zeros((42, 3))}}, r"id 3: K is no array"),
        ({3: {"uv_vis": np.zeros((21, 3))}}, r"id 3: uv_vis is no array of shape \(42, 3\)"),
    ],
)
def test_pickles_of_another_layout_are_refused(tmp_path, content, message, write_python2_pickle):
    write_python2_pickle(tmp_path / "anno_training.pickle", content)
    with pytest.raises(ValueError, match=rf"anno_training\.pickle: {message}"):
        load_labels(tmp_path / "anno_training.pickle")


def test_long_splits_are_cut_into_units(raw, monkeypatch):
    monkeypatch.setattr("handvit.datasets.converters.rhd._IDS_PER_UNIT", 2)
    units = RhdConverter(raw.root, split="training", view=FullFrameView()).units()
    assert [unit.num_frames for unit in units] == [2, 1]
    assert len({unit.name for unit in units}) == 2


def test_info_states_what_was_assumed(raw):
    info = RhdConverter(raw.root, split="training", view=FullFrameView()).info
    assert (info.hand_model, info.fingertips) == (None, None)
    assert "fewer than 10 visible keypoints are left out" in info.source


def test_tool_writes_the_same_bytes_with_any_number_of_workers(raw, load_tool, monkeypatch):
    monkeypatch.setattr("handvit.datasets.converters.rhd._IDS_PER_UNIT", 1)
    tars = []
    options = ["--split", "training", "--num-shards", "2", "--image-size", "64"]
    for workers in ("1", "2"):
        target = raw.root.parent / f"out{workers}"
        load_tool("dataset_converters/rhd.py").main(
            [str(raw.root), str(target), "--num-workers", workers, *options]
        )
        tars.append([path.read_bytes() for path in sorted(target.glob("*.tar"))])
    assert len(tars[0]) == 2 and tars[0] == tars[1]


def test_real_data(shared_data, tmp_path, collect, write_python2_pickle):
    """Lay three real pictures out as RHD does; their labels were published in millimetres."""
    published = json.loads((shared_data / "rhd" / "test_rhd.json").read_bytes())
    cameras = {image["id"]: image["cam_param"] for image in published["images"]}
    folder, content = tmp_path / "evaluation", {}
    (folder / "color").mkdir(parents=True)
    for label in published["annotations"]:
        number, hand = label["image_id"], slice(*((0, 21), (21, 42))[label["hand_type"] == "right"])
        uv_vis, xyz = np.zeros((42, 3)), np.zeros((42, 3))
        uv_vis[hand], xyz[hand] = label["keypoints"], np.array(label["joint_cam"]) / 1000
        (fx, fy), (cx, cy) = cameras[number]["focal"], cameras[number]["princpt"]
        content[number] = {
            "uv_vis": uv_vis,
            "xyz": xyz,
            "K": np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        }
        image = (shared_data / "rhd" / f"{number:05d}.png").read_bytes()
        (folder / "color" / f"{number:05d}.png").write_bytes(image)
    write_python2_pickle(folder / "anno_evaluation.pickle", content)
    samples, rejected = collect(RhdConverter(tmp_path, split="evaluation", view=FullFrameView()))
    assert len(samples) == 3 and {item.reason for item in rejected} == {HIDDEN}
    for sample in samples.values():
        projected = sample.keypoints_cam[:, :2] / sample.keypoints_cam[:, 2:] * sample.focal
        np.testing.assert_allclose(projected + sample.princpt, sample.keypoints_img, atol=0.1)
        ends = sample.keypoints_cam[np.array(BONES)]  # (20, 2, 3)
        lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1).reshape(5, 4) * 1000
        assert ((lengths[1:, 0] > 50) & (lengths[1:, 0] < 130)).all()  # wrist to knuckles
        assert (lengths[1:, 1] > lengths[1:, 2]).all()  # the first bone is the longest
        assert ((lengths[1:, 1:] > 10) & (lengths[1:, 1:] < 65)).all()
