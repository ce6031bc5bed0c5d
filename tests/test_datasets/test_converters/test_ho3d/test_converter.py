import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE, CropView, FullFrameView
from handvit.datasets.converters.ho3d.converter import Ho3dConverter
from handvit.datasets.converters.ho3d.files import read_meta
from handvit.hand_models.hand_pair import HandPair

FLIP = np.array([1.0, -1.0, -1.0])
#: Where each of HO3D's joints (wrist, index, middle, pinky, ring, thumb, tips) is in our order.
HO3D_ORDER = [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3, 4, 8, 12, 16, 20]
SUFFIX = {"v2": "png", "v3": "jpg"}


def train_meta(hand: Any, camera: Any) -> dict[str, Any]:
    """What train/SEQ/meta/*.pkl of version 3 holds: OpenGL axes, absolute pose."""
    turned = Rotation.from_matrix(np.diag(FLIP)) * Rotation.from_rotvec(hand.global_orient)
    rest_wrist = hand.root - hand.transl
    return {
        "handPose": np.concatenate([turned.as_rotvec(), hand.hand_pose]),
        "handTrans": FLIP * hand.root - rest_wrist,
        "handBeta": hand.betas,
        "handJoints3D": (FLIP * hand.keypoints)[HO3D_ORDER],
        "camMat": camera.matrix,
        "objRot": np.zeros((3, 1)),
        "objTrans": np.zeros(3),
        "objName": "021_bleach_cleanser",
        "objLabel": 12,
        "objCorners3D": np.zeros((8, 3)),
        "objCorners3DRest": np.zeros((8, 3)),
        "camIDList": ["0", "1"],
        "handVertContact": np.zeros(778, bool),
        "handVertDist": np.zeros(778, np.float32),
        "handVertIntersec": np.zeros(778, bool),
        "handVertObjSurfProj": np.zeros((778, 3)),
    }


def evaluation_meta(hand: Any, camera: Any) -> dict[str, Any]:
    """What evaluation/SEQ/meta/*.pkl holds: the root and a box."""
    pixels = camera.project(hand.keypoints)
    meta = train_meta(hand, camera)
    kept = ("camMat", "objRot", "objTrans", "objName", "objCorners3DRest")
    return {
        **{key: meta[key] for key in kept},
        "handJoints3D": FLIP * hand.keypoints[0],
        "handBoundingBox": [float(x) for x in (*pixels.min(0), *pixels.max(0))],
    }


META = {"train": train_meta, "evaluation": evaluation_meta}


@dataclass
class Raw:
    """A raw data set of two sequences, and what is true in it."""

    root: Path
    worlds: dict[str, Any]  # sequence -> World
    lines: dict[str, list[str]]  # split -> lines of its list

    def truth(self, sample_id: str) -> tuple[Any, Any]:
        _, sequence, _, number, _ = sample_id.split("/")
        world = self.worlds[sequence]
        return world.hands[int(number) - 7]["right"], world.cameras[0]


@pytest.fixture(scope="module")
def make_raw(make_world, write_picture, write_python2_pickle, tmp_path_factory):
    """Return ``make(version, split, ...)``: frames 7 to 9 of two sequences, frame 6 unlisted."""

    def make(version: str, split: str, *, fingertips: str = "ho3d", frames: int = 3) -> Raw:
        root = tmp_path_factory.mktemp("HO3D")
        worlds, lines = {}, []
        for seed, sequence in enumerate(("SM2", "ABF10")):
            worlds[sequence] = world = make_world(
                num_frames=frames,
                sides=("right",),
                size=(640, 480),
                world_is_camera=True,
                fingertips=fingertips,
                seed=seed,
            )
            camera = world.cameras[0]
            folder = root / split / sequence
            for frame in range(frames):
                number = f"{frame + 7:04d}"
                picture = world.picture(frame, camera)
                write_picture(folder / "rgb" / f"{number}.{SUFFIX[version]}", picture)
                meta = META[split](world.hands[frame]["right"], camera)
                write_python2_pickle(folder / "meta" / f"{number}.pkl", meta)
                lines.append(f"{sequence}/{number}")
            write_picture(folder / "rgb" / f"0006.{SUFFIX[version]}", picture)
            write_python2_pickle(folder / "meta" / "0006.pkl", dict.fromkeys(meta))
        lines.reverse()  # neither sequences nor frames are in order
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
        return Raw(root, worlds, {split: lines})

    return make


@pytest.fixture(scope="module")
def train_raw(make_raw):
    """Version 3, train; shared, so do not change it."""
    return make_raw("v3", "train")


@pytest.fixture
def raw(make_raw):
    """Version 3, train, of one frame a sequence, to be changed."""
    return make_raw("v3", "train", frames=1)


@pytest.fixture
def evaluation_raw(make_raw):
    """Version 2, evaluation, to be changed."""
    return make_raw("v2", "evaluation", frames=2)


HANDS = HandPair.load("openhand")


def convert_train(root, version="v3", view=None):
    return Ho3dConverter(
        root, split="train", version=version, view=view or FullFrameView(), hands=HANDS
    )


def convert_evaluation(root, version="v2", **options):
    return Ho3dConverter(root, split="evaluation", version=version, view=FullFrameView(), **options)


def write_ground_truth(raw: Raw) -> Path:
    """Write the JSON files of the evaluation's ground truth: OpenGL, HO3D's order, list order."""
    folder = raw.root / "truth"
    folder.mkdir()
    hands = []
    for line in raw.lines["evaluation"]:
        sequence, number = line.split("/")
        hands.append(raw.truth(f"ho3d/{sequence}/cam0/{number}/right")[0])
    xyz = [(FLIP * hand.keypoints)[HO3D_ORDER].tolist() for hand in hands]
    (folder / "evaluation_xyz.json").write_text(json.dumps(xyz))
    verts = [(FLIP * hand.vertices).tolist() for hand in hands]
    (folder / "evaluation_verts.json").write_text(json.dumps(verts))
    return folder


@pytest.mark.parametrize("view", [FullFrameView(), CropView(image_size=128)], ids=["full", "crop"])
def test_train_labels_are_the_truth(train_raw, view, collect, assert_truth):
    converter = convert_train(train_raw.root, view=view)
    samples, rejections = collect(converter)
    assert rejections == [] and len(samples) == 6
    pair = HandPair.load("openhand", fingertips="ho3d")
    for sample_id, sample in samples.items():
        assert sample.mano_valid and sample.camera_valid and sample.is_right
        assert sample.keypoints_img_valid.all() and sample.keypoints_cam_valid.all()
        assert (sample.keypoints_cam[:, 2] > 0).all()
        hand, camera = train_raw.truth(sample_id)
        assert_truth(sample, hand, camera, pair)
        assert sample.mano_residual == pytest.approx(pair.residual(sample), abs=1e-9)
        assert sample.mano_residual < 1e-6
        pixels = camera.project(np.concatenate([hand.vertices, hand.keypoints]))
        expected = pixels
        if isinstance(view, CropView):
            corner = np.array(sample.extra["crop_bbox_xyxy"])[:2] + 0.5
            side = sample.extra["crop_bbox_xyxy"][2] - sample.extra["crop_bbox_xyxy"][0]
            expected = (pixels - corner + 0.5) * (sample.image_size[0] / side) - 0.5
        np.testing.assert_allclose(sample.bbox_xyxy, [*expected.min(0), *expected.max(0)], atol=0.1)


def test_names_times_and_order(train_raw):
    converter = convert_train(train_raw.root)
    assert [tuple(unit) for unit in converter.units()] == [("ABF10/0007", 3), ("SM2/0007", 3)]
    samples = [s for unit in converter.units() for s in converter.samples(unit)]
    assert [sample.sample_id for sample in samples[:4]] == [
        "ho3d_v3/ABF10/cam0/0007/right",
        "ho3d_v3/ABF10/cam0/0008/right",
        "ho3d_v3/ABF10/cam0/0009/right",
        "ho3d_v3/SM2/cam0/0007/right",
    ]
    np.testing.assert_allclose([s.frame_time * 30 for s in samples], [7, 8, 9, 7, 8, 9])
    assert not any(sample.extra for sample in samples)


def test_only_listed_frames_are_converted(train_raw, collect):
    samples, rejections = collect(convert_train(train_raw.root))
    assert not rejections and not any("0006" in name for name in samples)


def test_long_sequences_are_cut(train_raw, monkeypatch):
    monkeypatch.setattr("handvit.datasets.converters.ho3d.converter.FRAMES_PER_UNIT", 2)
    units = convert_train(train_raw.root).units()
    assert [tuple(unit) for unit in units] == [
        ("ABF10/0007", 2), ("ABF10/0009", 1), ("SM2/0007", 2), ("SM2/0009", 1),
    ]  # fmt: skip


def test_version_2_has_png(make_raw, collect, assert_truth):
    raw = make_raw("v2", "train", frames=1)
    samples, rejections = collect(convert_train(raw.root, "v2"))
    assert not rejections and len(samples) == 2
    for sample_id, sample in samples.items():
        assert sample.image.startswith(b"\x89PNG") and sample_id.startswith("ho3d_v2/")
        assert_truth(sample, *raw.truth(sample_id), HandPair.load("openhand", fingertips="ho3d"))


def test_info_says_what_is_known_and_assumed(train_raw):
    info = convert_train(train_raw.root).info
    assert (info.name, info.split, info.hand_model) == ("ho3d_v3", "train", "openhand")
    assert info.fingertips == "ho3d"
    assert "6 frames of train.txt (83325 in the release)" in info.source
    assert "nominal 30 Hz" in info.source


def test_tips_are_judged_by_frames_from_all_over_the_list(train_raw, monkeypatch):
    module = "handvit.datasets.converters.ho3d.converter"
    monkeypatch.setattr(f"{module}.NUM_PROBES", 2)
    read = []

    def spy(path, shapes):
        read.append(path)
        return read_meta(path, shapes)

    monkeypatch.setattr(f"{module}.read_meta", spy)
    info = convert_train(train_raw.root).info
    assert "0.0 mm from 'ho3d' (median of 2 hands)" in info.source
    lines = [train_raw.lines["train"][i] for i in (0, 3)]
    assert [f"{path.parents[1].name}/{path.stem}" for path in read] == lines


def test_probes_without_labels_are_passed_over(raw, edit):
    edit(raw.root / "train" / "ABF10" / "meta" / "0007.pkl", handPose=None)
    assert "(median of 1 hands)" in convert_train(raw.root).info.source


@pytest.fixture
def edit(write_python2_pickle):
    """Return ``edit(path, field=value, ...)``: it changes a label file."""

    def change(path: Path, **changes: Any) -> None:
        with path.open("rb") as file:
            content = pickle.load(file, encoding="latin1")
        write_python2_pickle(path, {**content, **changes})

    return change


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"handPose": None}, "frame has no labels"),
        ({"handPose": np.zeros(45)}, "label file has other fields than published"),
        ({"handPose": np.zeros(48)}, "MANO does not give handJoints3D"),
    ],
)
def test_frames_that_cannot_be_labelled_are_counted_with_their_file(
    raw, collect, edit, changes, reason
):
    path = raw.root / "train" / "SM2" / "meta" / "0007.pkl"
    edit(path, **changes)
    samples, (rejection,) = collect(convert_train(raw.root))
    assert len(samples) == 1 and rejection.reason == reason
    assert str(path) in rejection.where


def test_images_that_are_missing_or_broken_are_counted(raw, collect):
    image = raw.root / "train" / "SM2" / "rgb" / "0007.jpg"
    content = image.read_bytes()
    for some, reason in ((content[:200], BAD_IMAGE), (b"", BAD_IMAGE), (None, NO_IMAGE)):
        image.unlink()
        if some is not None:
            image.write_bytes(some)
        samples, (rejection,) = collect(convert_train(raw.root))
        assert len(samples) == 1 and rejection.reason == reason
        assert str(image) in rejection.where


def test_train_without_any_labels_is_an_error(raw, edit):
    for line in raw.lines["train"]:
        sequence, number = line.split("/")
        edit(raw.root / "train" / sequence / "meta" / f"{number}.pkl", handPose=None)
    with pytest.raises(ValueError, match=r"0007\.pkl: handPose is None: frame has no labels"):
        convert_train(raw.root)


def test_evaluation_has_wrist_and_box(evaluation_raw, collect):
    converter = convert_evaluation(evaluation_raw.root)
    assert (converter.info.hand_model, converter.info.fingertips) == (None, None)
    assert "Only the wrist" in converter.info.source
    assert "4 frames of evaluation.txt (11524 in the release)" in converter.info.source
    samples, rejections = collect(converter)
    assert not rejections and len(samples) == 4
    for sample_id, sample in samples.items():
        hand, camera = evaluation_raw.truth(sample_id)
        assert sample.keypoints_cam_valid.tolist() == [True] + 20 * [False]
        assert sample.keypoints_img_valid.tolist() == [True] + 20 * [False]
        np.testing.assert_allclose(sample.keypoints_cam[0], hand.root, atol=5e-5)
        np.testing.assert_allclose(sample.keypoints_img[0], camera.project(hand.root), atol=0.1)
        assert not sample.keypoints_cam[1:].any() and not sample.mano_valid
        pixels = camera.project(hand.keypoints)  # x1, y1, x2, y2 and not x, y, w, h
        np.testing.assert_allclose(sample.bbox_xyxy, [*pixels.min(0), *pixels.max(0)])


@pytest.mark.parametrize("view", [FullFrameView(), CropView(image_size=128)], ids=["full", "crop"])
def test_ground_truth_of_the_evaluation(evaluation_raw, collect, assert_truth, view):
    converter = Ho3dConverter(
        evaluation_raw.root,
        split="evaluation",
        version="v2",
        view=view,
        ground_truth=write_ground_truth(evaluation_raw),
    )
    assert (converter.info.hand_model, converter.info.fingertips) == (None, "ho3d")
    samples, rejections = collect(converter)
    assert not rejections and len(samples) == 4
    for sample_id, sample in samples.items():
        assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
        assert_truth(sample, *evaluation_raw.truth(sample_id), HANDS)


def test_ground_truth_does_not_change_the_box(evaluation_raw, collect):
    before, _ = collect(convert_evaluation(evaluation_raw.root))
    folder = write_ground_truth(evaluation_raw)
    after, _ = collect(convert_evaluation(evaluation_raw.root, ground_truth=folder))
    for sample_id, sample in before.items():
        assert sample.bbox_xyxy.tolist() == after[sample_id].bbox_xyxy.tolist()


def test_ground_truth_in_another_order_is_rejected(evaluation_raw, collect):
    folder = write_ground_truth(evaluation_raw)
    path = folder / "evaluation_xyz.json"
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    samples, rejections = collect(convert_evaluation(evaluation_raw.root, ground_truth=folder))
    assert not samples
    assert {r.reason for r in rejections} == {"ground truth is that of another frame"}
    assert "meta" in rejections[0].where and " mm off" in rejections[0].where


def test_train_has_no_ground_truth_of_its_own(raw):
    with pytest.raises(ValueError, match="split 'train'"):
        Ho3dConverter(raw.root, split="train", version="v3", view=FullFrameView())


def test_tool_writes_the_same_bytes_with_any_number_of_workers(train_raw, load_tool, tmp_path):
    main = load_tool("dataset_converters/ho3d.py").main
    options = ["--split", "train", "--version", "v3", "--mano", "openhand", "--num-shards", "2"]
    for workers in ("1", "2"):
        out = str(tmp_path / workers)
        main([str(train_raw.root), out, *options, "--image-size", "64", "--num-workers", workers])
    for name in ("shard-000000.tar", "shard-000001.tar"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    manifest = json.loads((tmp_path / "1" / "manifest.json").read_bytes())["totals"]
    assert (manifest["num_samples"], manifest["num_mano"], manifest["rejected"]) == (6, 6, {})
    assert manifest["mano_residual"]["max"] < 1e-6


def test_tool_converts_the_evaluation_without_mano(evaluation_raw, load_tool, tmp_path, capsys):
    folder = write_ground_truth(evaluation_raw)
    options = ["--split", "evaluation", "--version", "v2", "--ground-truth", str(folder)]
    load_tool("dataset_converters/ho3d.py").main(
        [str(evaluation_raw.root), str(tmp_path / "out"), *options, "--num-workers", "1"]
    )
    assert "4 samples in 1 shards" in capsys.readouterr().out
