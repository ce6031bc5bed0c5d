import json

import numpy as np
import pytest
import torch

from handvit.datasets.conversion.converter import Rejection, Unit
from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE, OTHER_SIZE, CropView
from handvit.datasets.converters.hot3d import converter as hot3d
from handvit.datasets.converters.hot3d.converter import box_overlap
from handvit.datasets.converters.rectified_view import FisheyeCamera
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.geometry.rasterizer import rasterize

QUEST3_LEFT = Unit("Quest3/clip-002001/1201-1", 3)


@pytest.fixture(scope="module")
def results(source, make_converter, collect):
    return collect(make_converter(source))


def mask(truth, camera, size, hands):
    """Return where a pinhole camera sees hands, (H, W) bool."""
    image = np.zeros((size[1], size[0]), bool)
    for hand in hands.values():
        points = camera.to_cam(hand.vertices)
        screen = torch.from_numpy(np.concatenate([camera.project(points), points[:, 2:]], axis=1))
        faces = torch.from_numpy(truth.world.pair.asset(hand.is_right).faces)
        seen = rasterize(screen[None].float(), faces, height=size[1], width=size[0])
        image.reshape(-1)[seen.pixel.numpy()] = True
    return image


def side_of(sample):
    return "right" if sample.is_right else "left"


def test_truth_is_recovered(results, truth, assert_truth):
    samples, _ = results
    assert len(samples) == 5 * 4
    assert sum(sample.mano_valid for sample in samples.values()) == 5 * 3
    for sample in samples.values():
        hands, camera = truth.of(sample)
        assert_truth(sample, hands[side_of(sample)], camera, truth.world.pair)
        assert sample.keypoints_img_valid.sum() == (21 if sample.mano_valid else 19)


def test_motion_is_that_in_the_axes_of_the_fisheye_camera(results, truth):
    """The head turns by 25 degrees a frame, so a camera that follows the hand hides its motion."""
    tracks, steps = {}, []
    for sample in results[0].values():
        device, (*_, stream, frame, side) = sample.extra["device"], sample.sample_id.split("/")
        tracks.setdefault((device, stream, side), {})[int(frame)] = sample
    assert len(tracks) == 5 * 2
    for (device, stream, side), track in tracks.items():
        rotations = [sample.extra["rotation_from_camera"] for sample in track.values()]
        assert all(rotation == rotations[0] for rotation in rotations)
        if side == "left":
            continue
        stored = track[1].keypoints_cam[0] - track[0].keypoints_cam[0]
        moved = track[1].mano_root_cam - track[0].mano_root_cam
        first, second = (
            truth.shots[device, stream, frame].pose.to_cam(truth.hands[frame][side].root)
            for frame in (0, 1)
        )
        np.testing.assert_allclose(
            [stored, moved], 2 * [rotations[0] @ (second - first)], atol=5e-5
        )
        steps.append(np.linalg.norm([stored, moved, second - first], axis=-1))
    stored, moved, true = np.transpose(steps)
    np.testing.assert_allclose([stored, moved], [true, true], atol=5e-5)  # 0.05 mm
    assert true.min() > 0.05


def test_pixels_lie_under_the_mesh(results, truth):
    overlaps, shifts = [], []
    for sample in results[0].values():
        hands, camera = truth.of(sample)
        mesh = mask(truth, camera, sample.image_size, hands)
        seen = decode_image(sample.image, sample.image_size).max(-1) > 125
        overlaps.append((seen & mesh).sum() / (seen | mesh).sum())
        shifts.append(np.argwhere(seen).mean(0) - np.argwhere(mesh).mean(0))
    assert np.mean(overlaps) > 0.97 and min(overlaps) > 0.94  # of hands 60 px wide
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.1  # px


def test_ids_times_and_provenance(results):
    samples, _ = results
    ids = [key for key in samples if "/1201-2/" in key and "P0001" in key]
    sequence = "hot3d/P0001_23fa0ee8-clip-001849/1201-2"
    assert ids == [
        f"{sequence}/000000/left",
        f"{sequence}/000000/right",
        f"{sequence}/000001/right",
        f"{sequence}/000002/right",
    ]
    assert [samples[key].frame_time for key in ids] == pytest.approx([0, 0, 1 / 30, 2 / 30])
    extra = samples[ids[0]].extra
    assert (extra["subject"], extra["device"], extra["frame_size"]) == ("P0001", "Aria", [640, 480])
    assert {sample.extra["subject"] for sample in samples.values()} == {"P0001", "P0009"}
    assert all(sample.camera_valid for sample in samples.values())


def test_colours_and_greys_have_three_channels(results):
    samples, _ = results
    for key, sample in samples.items():
        pixels = decode_image(sample.image, sample.image_size).astype(int)
        red_over_blue = (pixels[..., 0] - pixels[..., 2]).max()
        assert red_over_blue > 50 if "/214-1/" in key else red_over_blue == 0


@pytest.mark.parametrize("device, focal", [("Aria", 250), ("Quest3", 520)])
def test_pictures_are_as_fine_as_the_image(source, make_converter, collect, device, focal):
    def convert(crop):
        return collect(make_converter(source, crop=crop, streams={device: ["1201-2"]}))[0]

    small, large = convert(CropView(64, 2.0)), convert(CropView(2000, 2.0))
    assert {sample.image_size for sample in small.values()} == {(64, 64)}
    for key, sample in large.items():
        ray = np.append((sample.bbox_xyxy.reshape(2, 2).mean(0) - sample.princpt) / sample.focal, 1)
        at_hand = sample.focal * np.linalg.norm(ray)  # px a radian, across the radius
        assert at_hand == pytest.approx(focal, rel=0.05)
        side = (sample.bbox_xyxy[2:] - sample.bbox_xyxy[:2]).max() * 2
        assert sample.image_size[0] == pytest.approx(side, abs=1)
        assert small[key].focal / 64 == pytest.approx(sample.focal / sample.image_size[0])


def test_mano_residual_is_the_distance_from_the_landmarks(results, truth):
    """The UmeTrack hands of the fixture are flat."""
    for sample in results[0].values():
        if not sample.mano_valid:
            assert sample.mano_residual is None
            continue
        hand = truth.hands[int(sample.sample_id.split("/")[3])][side_of(sample)]
        flat = truth.world.pair.pose(
            hand.is_right,
            global_orient=hand.global_orient,
            hand_pose=np.zeros(45),
            betas=hand.betas,
            root=hand.root,
        )
        gap = np.linalg.norm(flat.keypoints - hand.keypoints, axis=-1)[2:]
        assert sample.mano_residual == pytest.approx(gap.mean(), abs=1e-6)
        assert sample.mano_residual > 0.005


def test_hands_without_a_mano_pose_have_no_label_in_3d(results):
    flat = [sample for key, sample in results[0].items() if "/000002/right" in key]
    assert len(flat) == 5
    for sample in flat:
        assert not sample.mano_valid and not sample.keypoints_cam_valid.any()
        assert not sample.keypoints_cam.any() and not sample.mano_root_cam.any()
        assert not sample.global_orient.any()
        assert np.flatnonzero(~sample.keypoints_img_valid).tolist() == [0, 1]
        assert not sample.keypoints_img[:2].any()


def test_clips_that_are_not_there_are_counted(results, source, make_converter):
    _, rejections = results
    assert {rejection.reason for rejection in rejections} == {hot3d.NO_CLIP}
    assert len(rejections) == 3 and all("clip-000007.tar" in where for _, where in rejections)
    units = make_converter(source).units()
    assert sum(unit.num_frames for unit in units) == 5 * 3
    assert [unit.name for unit in units[:4]] == [
        "Aria/clip-000007/214-1",
        "Aria/clip-000007/1201-1",
        "Aria/clip-000007/1201-2",
        "Aria/clip-001849/214-1",
    ]


def test_options_choose(source, make_converter):
    def units(**options):
        return [unit.name for unit in make_converter(source, **options).units()]

    colour, greys = "Aria/clip-001849/214-1", ["1201-1", "1201-2"]
    assert units(streams={"Aria": ["214-1"]}, participants=["P0001"]) == [colour]
    quest = [f"Quest3/clip-002001/{stream}" for stream in greys]
    assert units(streams={"Aria": [], "Quest3": greys}) == quest
    assert units(participants=["P0009"]) == quest
    with pytest.raises(
        ValueError, match=r"\['P0003'\] have no clip .* \['P0001', 'P0002', 'P0009'\]"
    ):
        make_converter(source, participants=["P0003"])
    with pytest.raises(ValueError, match=r"clip-000007\.tar'\]\.\.\.: no clip is there; get HOT3D"):
        make_converter(source, participants=["P0002"])
    with pytest.raises(ValueError, match="min_visibility: 80 must be in"):
        make_converter(source, min_visibility=80)


def edited(kind, change, frame=0):
    """Return what makes ``change(record)`` to a JSON file of a frame."""

    def edit(files):
        name = f"{frame:06d}.{kind}.json"
        record = json.loads(files[name])
        change(record)
        files[name] = record

    return edit


def left(key, value):
    return edited("hands", lambda record: record["left"].update({key: value}))


def lens(key, value):
    return edited("cameras", lambda record: record["1201-1"]["calibration"].update({key: value}))


def content(name, value):
    return lambda files: files.update({name: value})


def without(name):
    return lambda files: files.pop(name)


def columns_as_in_the_vrs_release(record):
    boxes = record["left"]["boxes_amodal"]
    boxes.update({key: [box[0], box[2], box[1], box[3]] for key, box in boxes.items()})


MANO = {"thetas": [float("nan")] * 15, "wrist_xform": [0.0] * 6}
IMAGE, LENS, BAD = "000000.image_1201-1.jpg", "projection_model_type", hot3d.BAD_RECORD
#: What is done to the Quest 3 clip, why hands are rejected, what is named, how many of 4 are left.
BROKEN = {
    "hidden": (left("visibilities_modeled", {"1201-1": 0.05}), hot3d.HIDDEN, "left: 0.05", 3),
    "unseen": (left("visibilities_modeled", {}), hot3d.UNSEEN, "000000/left", 3),
    "no box": (left("boxes_amodal", {"1201-1": None}), hot3d.UNSEEN, "000000/left", 3),
    "box columns": (edited("hands", columns_as_in_the_vrs_release), hot3d.ELSEWHERE, "0.0", 3),
    "no pose": (
        edited("hands", lambda record: record["right"].pop("umetrack_pose"), frame=2),
        hot3d.NO_POSE,
        "000002/right",
        3,
    ),
    "not a number": (left("mano_pose", MANO), BAD, "tar/000000.hands.json: thetas", 2),
    "six thetas": (left("mano_pose", {**MANO, "thetas": [0.0] * 6}), BAD, "thetas", 2),
    "other lens": (lens(LENS, "CameraModelType.PINHOLE"), BAD, "cameras.json: projection_mod", 2),
    "no lens": (lens("projection_params", [500.0] * 14), BAD, "projection_params: 14", 2),
    "other size": (lens("image_width", 1024), OTHER_SIZE, IMAGE, 2),
    "no image": (without(IMAGE), NO_IMAGE, IMAGE, 2),
    "half an image": (content(IMAGE, b"\xff\xd8\xff half"), BAD_IMAGE, IMAGE, 2),
    "text for an image": (content(IMAGE, b"<html>"), BAD_IMAGE, IMAGE, 2),
    "half a record": (content("000000.cameras.json", b"{"), BAD, "000000.cameras.json", 2),
    "no record": (without("000000.cameras.json"), BAD, "000000.cameras.json", 2),
    "no time": (content("000001.info.json", {}), BAD, "info.json: ref_timestamp_ns", 3),
    "no labels": (without("000000.hands.json"), BAD, "000000.hands.json", 2),
    "no shapes": (without("__hand_shapes.json__"), BAD, "__hand_shapes.json__", 0),
    "bad shapes": (content("__hand_shapes.json__", {"mano": [0]}), BAD, "shapes.json__: mano", 0),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_input_is_counted_and_named(changed, make_converter, tmp_path, case):
    change, reason, named, num_left = BROKEN[case]
    converter = make_converter(changed(tmp_path / "raw", change))
    items = list(converter.samples(QUEST3_LEFT))
    rejections = [item for item in items if isinstance(item, Rejection)]
    assert len(items) - len(rejections) == num_left
    (rejection,) = rejections
    assert rejection.reason == reason
    assert "train_quest3/clip-002001.tar/" in rejection.where and named in rejection.where


def test_a_clip_that_is_cut_off_is_rejected(changed, make_converter, tmp_path):
    root = changed(tmp_path / "raw", lambda files: None)
    path = root / "train_quest3" / "clip-002001.tar"
    path.write_bytes(path.read_bytes()[:200_000])
    (rejection,) = make_converter(root).samples(QUEST3_LEFT)
    assert rejection.reason == hot3d.NO_CLIP and str(path) in rejection.where


def test_box_overlap_by_hand():
    camera = FisheyeCamera(np.array([100.0, 50, 50, *[0] * 12]), (100, 100), np.eye(3))
    folding = camera._replace(params=np.array([100.0, 50, 50, -0.1, *[0] * 11]))
    corners = np.array([[0.0, 0, 1], [0.2, 0, 1], [0, 0.2, 1]])
    size = 100 * np.arctan(0.2)
    assert box_overlap(corners, camera, np.array([50, 50, 50 + size, 50 + size])) > 0.999
    half = np.array([50, 50, 50 + size / 2, 50 + size])
    assert box_overlap(corners, camera, half) == pytest.approx(0.5)
    assert box_overlap(corners, camera, np.array([0, 0, 40, 40])) == 0
    assert box_overlap(-corners, folding, half) == 0


def test_info_states_what_was_assumed(source, make_converter):
    info = make_converter(source, min_visibility=0.25).info
    assert (info.name, info.split, info.hand_model) == ("hot3d", "train", "openhand")
    assert info.fingertips == "smplx" and "less than 0.25 is visible" in info.source
    assert "mano_residual is their mean distance from UmeTrack's landmarks" in info.source
    assert "the same for all frames of a clip, camera and side" in info.source


def test_tool_writes_the_same_bytes_with_any_number_of_workers(source, load_tool, tmp_path):
    tool = load_tool("dataset_converters/hot3d.py")
    tars = []
    for workers in ("1", "2"):
        out = tmp_path / workers
        options = ["--mano", "openhand", "--device", "Quest3", "--num-shards", "2"]
        tool.main([str(source), str(out), "--split", "train", "--num-workers", workers, *options])
        tars.append([path.read_bytes() for path in sorted(out.glob("*.tar"))])
    assert len(tars[0]) == 2 and tars[0] == tars[1]


def test_tool_takes_the_hands_that_hot3d_was_fitted_with(
    source, load_tool, tmp_path, capsys, truth, assert_truth
):
    """Left hands with shape directions that mirror the right ones."""
    options = ["--split", "train", "--mano", "openhand", "--device", "Quest3", "--num-shards", "2"]
    load_tool("dataset_converters/hot3d.py").main([str(source), str(tmp_path / "out"), *options])
    assert "8 samples in 2 shards" in capsys.readouterr().out
    reader = ShardReader(tmp_path / "out")
    samples = [reader.read_sample(row) for row in range(len(reader))]
    assert len(samples) == 8 and any(x.mano_valid and not x.is_right for x in samples)
    for sample in samples:
        hands, camera = truth.of(sample)
        assert_truth(sample, hands[side_of(sample)], camera, truth.world.pair)


def test_tool_refuses_the_splits_without_labels(source, load_tool, tmp_path, capsys):
    tool = load_tool("dataset_converters/hot3d.py")
    with pytest.raises(SystemExit) as stopped:
        tool.main([str(source), str(tmp_path / "out"), "--split", "test_bop"])
    assert stopped.value.code == 2
    assert "--split: invalid choice: 'test_bop' (choose from" in capsys.readouterr().err


def test_tool_refuses_full_frames(source, load_tool, tmp_path, capsys):
    tool = load_tool("dataset_converters/hot3d.py")
    arguments = [str(source), str(tmp_path / "out"), "--split", "train", "--mano", "openhand"]
    with pytest.raises(SystemExit) as stopped:
        tool.main([*arguments, "--full-frame"])
    assert stopped.value.code == 1
    assert "error: --full-frame: a fisheye image as a whole" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
