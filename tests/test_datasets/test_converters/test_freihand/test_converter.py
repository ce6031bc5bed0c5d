import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.converter import RawFrame
from handvit.datasets.conversion.view import (
    BAD_IMAGE,
    NO_IMAGE,
    OTHER_SIZE,
    CropView,
    FullFrameView,
)
from handvit.datasets.converters.freihand import converter as freihand
from handvit.datasets.converters.freihand import files as freihand_files
from handvit.datasets.converters.freihand.converter import FreihandConverter
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

NUM_PHOTOS = 3
HANDS = HandPair.load("openhand", fingertips="freihand")
#: How far the stored root rotations are off, rad.
TURN = np.array([0.02, -0.01, 0.015])


@dataclass
class Raw:
    """A raw data set of three photos, and what is true in it."""

    root: Path
    worlds: list[Any]  # one a photo

    def truth(self, sample_id: str) -> tuple[Any, Any]:
        world = self.worlds[int(sample_id.split("/")[1].split("-")[1]) % NUM_PHOTOS]
        return world.hands[0]["right"], world.cameras[0]

    def rewrite(self, name: str, entry: int, value: list | np.ndarray) -> None:
        """Change an entry of a JSON file."""
        path = self.root / f"{name}.json"
        entries = json.loads(path.read_text())
        entries[entry] = np.asarray(value).tolist()
        path.write_text(json.dumps(entries))


def mano_entry(hand: Any, camera: Any) -> list[list[float]]:
    """One entry of *_mano.json: 1 x 61, offsets from the mean pose, the knuckle's pixel, scale."""
    orient = Rotation.from_rotvec(TURN) * Rotation.from_rotvec(hand.global_orient)
    pose = hand.hand_pose - HANDS.asset(True).hands_mean
    knuckle = camera.project(hand.keypoints[9])
    scale = camera.focal.mean() / hand.keypoints[9, 2]
    return [[*orient.as_rotvec(), *pose, *hand.betas, *knuckle, scale]]


@pytest.fixture(scope="module")
def make_raw(make_world, write_picture, tmp_path_factory):
    def make(split: str, num_images: int) -> Raw:
        root = tmp_path_factory.mktemp("FreiHAND")
        worlds = [
            make_world(
                num_frames=1,
                sides=("right",),
                size=(224, 224),
                world_is_camera=True,
                fingertips="freihand",
                seed=seed,
            )
            for seed in range(NUM_PHOTOS)
        ]
        files: dict[str, list] = {name: [] for name in ("K", "xyz", "verts", "mano", "scale")}
        for world in worlds:
            hand, camera = world.hands[0]["right"], world.cameras[0]
            files["K"].append(camera.matrix.tolist())
            files["xyz"].append(hand.keypoints.tolist())
            files["verts"].append(hand.vertices.tolist())
            files["mano"].append(mano_entry(hand, camera))
            files["scale"].append(float(np.linalg.norm(hand.keypoints[9] - hand.keypoints[10])))
        for name, entries in files.items():
            (root / f"{split}_{name}.json").write_text(json.dumps(entries))
        for image in range(num_images):
            world = worlds[image % NUM_PHOTOS]
            picture = world.picture(0, world.cameras[0])
            write_picture(root / split / "rgb" / f"{image:08d}.jpg", picture)
        return Raw(root, worlds)

    return make


@pytest.fixture(autouse=True)
def _few_photos(monkeypatch):
    for split in ("training", "evaluation"):
        monkeypatch.setitem(freihand_files.NUM_PHOTOS, split, NUM_PHOTOS)


@pytest.fixture(scope="module")
def training_raw(make_raw):
    """Training in four versions; shared, so do not change it."""
    return make_raw("training", 4 * NUM_PHOTOS)


@pytest.fixture
def raw(make_raw):
    """Training in one version, to be changed."""
    return make_raw("training", NUM_PHOTOS)


@pytest.fixture
def evaluation_raw(make_raw):
    """Evaluation with all that has been released, to be changed."""
    return make_raw("evaluation", NUM_PHOTOS)


def converter_of(root, split="training", view=None, num_versions=1):
    view = view or FullFrameView()
    return FreihandConverter(root, split=split, view=view, hands=HANDS, num_versions=num_versions)


@pytest.mark.parametrize("view", [FullFrameView(), CropView(image_size=128)], ids=["full", "crop"])
@pytest.mark.parametrize("num_versions", [1, 4])
def test_labels_are_the_truth(training_raw, collect, assert_truth, view, num_versions):
    samples, rejections = collect(
        converter_of(training_raw.root, view=view, num_versions=num_versions)
    )
    assert rejections == [] and len(samples) == num_versions * NUM_PHOTOS
    for sample_id, sample in samples.items():
        assert sample.mano_valid and sample.camera_valid and sample.is_right
        assert sample.keypoints_img_valid.all() and sample.keypoints_cam_valid.all()
        assert_truth(sample, *training_raw.truth(sample_id), HANDS)
        assert sample.mano_residual < 1e-5 and sample.frame_time == 0


def test_every_image_is_a_sequence(training_raw, collect, monkeypatch):
    monkeypatch.setattr(freihand, "IMAGES_PER_UNIT", 5)
    converter = converter_of(training_raw.root, num_versions=4)
    assert [tuple(unit) for unit in converter.units()] == [
        ("training/00000000", 5),
        ("training/00000005", 5),
        ("training/00000010", 2),
    ]
    samples, _ = collect(converter)
    assert list(samples) == [
        f"freihand/training-{image:08d}/cam0/0/right" for image in range(4 * NUM_PHOTOS)
    ]
    assert len({sample.track for sample in samples.values()}) == len(samples)


def test_box_is_that_of_the_mesh(training_raw, collect):
    samples, _ = collect(converter_of(training_raw.root))
    for sample_id, sample in samples.items():
        hand, camera = training_raw.truth(sample_id)
        pixels = camera.project(np.concatenate([hand.vertices, hand.keypoints]))
        np.testing.assert_allclose(sample.bbox_xyxy, [*pixels.min(0), *pixels.max(0)], atol=1e-6)


def test_info_says_what_is_known(training_raw):
    info = converter_of(training_raw.root, num_versions=4).info
    assert (info.name, info.split) == ("freihand", "training")
    assert (info.hand_model, info.fingertips) == ("openhand", "freihand")
    assert "3 photos of training, 4 versions of each" in info.source
    assert "moved rigidly onto the published mesh" in info.source


def test_residual_tells_how_far_mano_is_from_the_keypoints(raw, collect):
    hand, _ = raw.truth("freihand/training-00000000/cam0/0/right")
    keypoints = hand.keypoints.copy()
    keypoints[3] += [0, 0.021, 0]
    raw.rewrite("training_xyz", 0, keypoints)
    samples, _ = collect(converter_of(raw.root))
    sample = samples["freihand/training-00000000/cam0/0/right"]
    assert sample.mano_residual == pytest.approx(0.001, abs=1e-5)
    np.testing.assert_allclose(sample.keypoints_cam, keypoints)


def test_mano_of_another_hand_is_left_out_and_the_truth_kept(raw, collect, assert_truth):
    entry = np.zeros((1, 61))
    entry[0, 3:48] = 0.5
    raw.rewrite("training_mano", 1, entry)
    converter = converter_of(raw.root)
    assert "left out where they stay more than 10 mm from it" in converter.info.source
    samples, rejections = collect(converter)
    assert not rejections and len(samples) == 3
    assert [sample.mano_valid for sample in samples.values()] == [True, False, True]
    name = "freihand/training-00000001/cam0/0/right"
    sample, truth = samples[name], raw.truth(name)
    assert sample.mano_residual is None and not sample.hand_pose.any()
    assert_truth(sample, *truth, HANDS)
    pixels = truth[1].project(truth[0].vertices)
    assert (sample.bbox_xyxy[:2] <= pixels.min(0) + 1e-6).all()
    assert (sample.bbox_xyxy[2:] >= pixels.max(0) - 1e-6).all()


def test_hands_behind_the_camera_are_rejected(raw, collect):
    hand, _ = raw.truth("freihand/training-00000001/cam0/0/right")
    raw.rewrite("training_xyz", 1, hand.keypoints * [1, -1, -1])
    _, (rejection,) = collect(converter_of(raw.root))
    assert rejection.reason == "hand is not in front of the camera"
    assert "00000001.jpg" in rejection.where


def test_images_that_are_missing_or_broken_are_counted(raw, collect):
    image = raw.root / "training" / "rgb" / "00000002.jpg"
    content = image.read_bytes()
    small = cv2.imencode(".jpg", np.zeros((100, 100, 3), np.uint8))[1].tobytes()
    cases = [
        (content[:150], BAD_IMAGE),
        (b"GIF89a", BAD_IMAGE),
        (small, OTHER_SIZE),
        (None, NO_IMAGE),
    ]
    for some, reason in cases:
        image.unlink()
        if some is not None:
            image.write_bytes(some)
        samples, (rejection,) = collect(converter_of(raw.root))
        assert len(samples) == 2 and rejection.reason == reason
        assert str(image) in rejection.where


def test_released_labels_of_the_evaluation(evaluation_raw, collect, assert_truth):
    converter = converter_of(evaluation_raw.root, "evaluation", num_versions=4)
    assert converter.info.hand_model == "openhand"
    samples, rejections = collect(converter)
    assert not rejections and len(samples) == NUM_PHOTOS
    for sample_id, sample in samples.items():
        assert sample_id.startswith("freihand/evaluation-") and sample.mano_valid
        assert_truth(sample, *evaluation_raw.truth(sample_id), HANDS)


def test_evaluation_without_mano(evaluation_raw, collect, assert_truth):
    (evaluation_raw.root / "evaluation_mano.json").unlink()
    converter = converter_of(evaluation_raw.root, "evaluation")
    assert (converter.info.hand_model, converter.info.fingertips) == (None, "freihand")
    samples, _ = collect(converter)
    for sample_id, sample in samples.items():
        assert not sample.mano_valid and sample.mano_residual is None
        assert_truth(sample, *evaluation_raw.truth(sample_id), HANDS)


def test_evaluation_without_labels(evaluation_raw, collect):
    for name in ("xyz", "verts", "mano"):
        (evaluation_raw.root / f"evaluation_{name}.json").unlink()
    converter = converter_of(evaluation_raw.root, "evaluation")
    assert (converter.info.hand_model, converter.info.fingertips) == (None, None)
    assert "bbox_xyxy is the whole image" in converter.info.source
    samples, rejections = collect(converter)
    assert not rejections and len(samples) == NUM_PHOTOS
    for sample_id, sample in samples.items():
        _, camera = evaluation_raw.truth(sample_id)
        assert not sample.keypoints_cam_valid.any() and not sample.keypoints_img_valid.any()
        assert sample.bbox_xyxy.tolist() == [-0.5, -0.5, 223.5, 223.5] and sample.camera_valid
        np.testing.assert_allclose(sample.focal, camera.focal)
        np.testing.assert_allclose(sample.princpt, camera.princpt)


def test_tool_writes_the_same_bytes_with_any_number_of_workers(
    training_raw, load_tool, tmp_path, monkeypatch
):
    monkeypatch.setattr(freihand, "IMAGES_PER_UNIT", 3)
    main = load_tool("dataset_converters/freihand.py").main
    options = ["--split", "training", "--mano", "openhand", "--num-versions", "2"]
    for workers in ("1", "2"):
        out = str(tmp_path / workers)
        main([str(training_raw.root), out, *options, "--num-shards=2", "--num-workers", workers])
    for name in ("shard-000000.tar", "shard-000001.tar"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    manifest = json.loads((tmp_path / "1" / "manifest.json").read_bytes())["totals"]
    assert (manifest["num_samples"], manifest["num_mano"]) == (2 * NUM_PHOTOS, 2 * NUM_PHOTOS)


def test_tool_tells_what_is_missing(training_raw, load_tool, tmp_path, capsys):
    main = load_tool("dataset_converters/freihand.py").main
    with pytest.raises(SystemExit) as stopped:
        main(
            [
                str(training_raw.root),
                str(tmp_path / "out"),
                "--split",
                "evaluation",
                "--mano=openhand",
            ]
        )
    assert stopped.value.code == 1
    assert "evaluation_K.json: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_real_photos_and_their_2d_labels(shared_data):
    """Real images pass the view with their published pixels, which lie inside the hand's box."""
    folder = shared_data / "freihand_2d"
    content = json.loads((folder / "test_freihand.json").read_text())
    for annotation in content["annotations"]:
        pixels = np.array(annotation["keypoints"]).reshape(21, 3)[:, :2]
        hand = HandSample(
            sample_id=f"freihand/training-{annotation['image_id']:08d}/cam0/0/right",
            image=b"",
            image_size=freihand.IMAGE_SIZE,
            is_right=True,
            bbox_xyxy=np.concatenate([pixels.min(0), pixels.max(0)]),
            focal=np.array([500.0, 500.0]),
            princpt=np.array([112.0, 112.0]),
            camera_valid=False,
            keypoints_img=pixels,
            keypoints_img_valid=np.ones(21, bool),
        )
        path = folder / f"{annotation['image_id']:08d}.jpg"
        for view in (FullFrameView(), CropView()):
            (sample,) = view.store(RawFrame.of_file(path, [hand]))
            assert isinstance(sample, HandSample)
        x, y, w, h = annotation["bbox"]
        assert (pixels >= [x - 1, y - 1]).all() and (pixels <= [x + w + 1, y + h + 1]).all()
