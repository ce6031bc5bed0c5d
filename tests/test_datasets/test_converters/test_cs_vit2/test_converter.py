import io
import json
import pickle
import tarfile
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from handvit.datasets.conversion.view import BAD_IMAGE, CropView, FullFrameView
from handvit.datasets.converters.cs_vit2.converter import (
    BAD_CLIP,
    NOT_FINITE,
    REPEATED,
    CsVit2Converter,
    CsVit2Options,
)
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.hand_models.mano_conversion import remove_mean_pose

SEQUENCE = "20200903-subject-04/20200903_112428/839512060362"
#: Clips of each tar: side, first frame, number of frames. They overlap, within and across tars.
TARS = {
    "train-worker0-000000.tar": [("right", 0, 3), ("right", 1, 3), ("left", 0, 3)],
    "train-worker1-000000.tar": [("right", 3, 2), ("left", 2, 3)],
}
NUM_FRAMES = 5


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(num_frames=NUM_FRAMES, world_is_camera=True)


@pytest.fixture(scope="module")
def pictures(world):
    """Encoded full frames, as the exporters' WebP buffers."""
    return [
        cv2.imencode(".webp", world.picture(frame, world.cameras[0])[..., ::-1])[1].ravel()
        for frame in range(NUM_FRAMES)
    ]


def clip_content(world, pictures, side: str, frames: range) -> dict:
    """The members of a clip before they are encoded; arrays are float32 with a frame axis."""
    camera, hands = world.cameras[0], [world.hands[frame][side] for frame in frames]
    asset, num = world.pair.asset(side == "right"), len(frames)
    points = np.stack([hand.keypoints for hand in hands])
    pixels = camera.project(points)
    poses = [
        np.concatenate([hand.global_orient, remove_mean_pose(hand.hand_pose, asset)])
        for hand in hands
    ]
    arrays = {
        "hand_bbox": np.concatenate([pixels.min(1), pixels.max(1)], axis=-1),
        "joint_img": pixels,
        "joint_cam": points * 1000,
        "joint_rel": (points - points[:, :1]) * 1000,
        "joint_2d_valid": np.ones((num, 21)),
        "joint_3d_valid": np.ones((num, 21)),
        "mano_pose": np.stack(poses),
        "mano_shape": np.stack([hand.betas for hand in hands]),
        "has_mano": np.ones(num),
        "has_intr": np.ones(num),
        "timestamp": np.array(frames) * 33.3333333 + 5000,
        "focal": np.tile(camera.focal, (num, 1)),
        "princpt": np.tile(camera.princpt, (num, 1)),
    }
    return {
        "imgs_path.json": [f"{SEQUENCE}/color_{frame:06d}.jpg" for frame in frames],
        "img_bytes.pickle": [pictures[frame].tobytes() for frame in frames],
        "handedness.json": side,
        "additional_desc.json": [{} for _ in frames],
        "data_source.json": "ho3d",
        "intr_type.json": "real",
        **{f"{name}.npy": values.astype(np.float32) for name, values in arrays.items()},
    }


def encode(name: str, value) -> bytes:
    if name.endswith(".json"):
        return json.dumps(value).encode()
    if name.endswith(".pickle"):
        return pickle.dumps(value)
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


def write_tar(path, clips) -> None:
    """Write clips by their key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, content in clips.items():
            for name, value in content.items():
                data = encode(name, value)
                info = tarfile.TarInfo(f"{key}.{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def raw(tmp_path, world, pictures):
    """Tars in the exporters' layout; ``raw.edit(change)`` changes the first clip of the first."""
    tars = {}
    for name, clips in TARS.items():
        tars[name] = {
            f"{i}_{side[0]}_train_ho3d": clip_content(
                world, pictures, side, range(first, first + length)
            )
            for i, (side, first, length) in enumerate(clips)
        }
        write_tar(tmp_path / "shards" / name, tars[name])

    def edit(change) -> None:
        name = next(iter(tars))
        change(tars[name]["0_r_train_ho3d"])
        write_tar(tmp_path / "shards" / name, tars[name])

    return SimpleNamespace(root=tmp_path / "shards", edit=edit)


@pytest.fixture(scope="module")
def build(world):
    """Return ``build(raw, view=..., options=...)``: a converter."""

    def build(raw, view=FullFrameView(), options=CsVit2Options()):  # noqa: B008
        return CsVit2Converter(
            raw.root, split="train", view=view, hands=world.pair, options=options
        )

    return build


def name_of(frame: int, side: str) -> str:
    time = round(float(np.float32(frame * 33.3333333 + 5000)) * 1000)
    folder = f"ho3d-{SEQUENCE.replace('/', '-')}"
    return f"cs_vit2/train-{folder}/cam0/color_{frame:06d}-{time}us/{side}"


@pytest.mark.parametrize("view", [FullFrameView(), CropView(96, 2.0)])
def test_truth_is_recovered_once_for_each_frame(
    raw, world, build, collect, assert_truth, pictures, view
):
    samples, rejected = collect(build(raw, view))
    assert len(samples) == 10
    for frame, hands in enumerate(world.hands):
        for side, hand in hands.items():
            sample = samples[name_of(frame, side)]
            assert sample.camera_valid and sample.mano_valid and sample.mano_residual < 1e-6
            assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
            assert sample.frame_time == pytest.approx(frame / 30, abs=1e-3)
            assert_truth(sample, hand, world.cameras[0], world.pair)
            if isinstance(view, FullFrameView):
                assert sample.image == pictures[frame].tobytes()
    # Frames 1 and 2 of the second clip, frame 3 of the second tar, frame 2 of the left hand.
    assert [item.reason for item in rejected] == [REPEATED] * 4
    assert "000000.tar: clip 1_r_train_ho3d: frame 0, " in rejected[0].where
    assert "color_000001.jpg" in rejected[0].where


def test_splits_share_no_sequence(raw, world, collect):
    def sequences(split):
        converter = CsVit2Converter(raw.root, split=split, view=FullFrameView(), hands=world.pair)
        return {name.split("/")[1] for name in collect(converter)[0]}

    assert not sequences("train") & sequences("test")


def test_sides_are_one_track_each(raw, build, collect):
    tracks = {sample.track for sample in collect(build(raw))[0].values()}
    assert len(tracks) == 2


def test_recordings_of_which_all_frames_have_one_path(raw, build, collect):
    raw.edit(lambda clip: clip.update({"imgs_path.json": ["P0003_c701bd11/recording.vrs"] * 3}))
    samples = [sample for sample in collect(build(raw))[0].values() if "P0003" in sample.sample_id]
    assert len(samples) == 3 and len({sample.track for sample in samples}) == 1
    assert [round(sample.frame_time * 30) for sample in samples] == [0, 1, 2]


def test_photographs_are_sequences_of_their_own(raw, build, collect, world, pictures):
    clips = {}
    for person, frame in enumerate((0, 1, 2)):  # two people in the first photograph
        clip = clip_content(world, pictures, "right", range(frame, frame + 1))
        name = "000000000007.jpg" if person < 2 else "000000000009.jpg"
        clip["imgs_path.json"] = [f"train2017/{name}"]
        clip["timestamp.npy"] = np.zeros(1, np.float32)
        clip["joint_3d_valid.npy"][:] = clip["joint_cam.npy"][:] = clip["has_mano.npy"][:] = 0
        clip["data_source.json"], clip["intr_type.json"] = "coco_wholebody", "fixed_virtual"
        clips[f"{person}_right_train_coco_wb"] = clip
    write_tar(raw.root / "coco" / "coco-000000.tar", clips)
    samples = [sample for name, sample in collect(build(raw))[0].items() if "coco" in name]
    assert [sample.sample_id.split("/")[1] for sample in samples] == [
        "train-coco_wholebody-train2017-000000000007",
        "train-coco_wholebody-train2017-000000000007-hand1",
        "train-coco_wholebody-train2017-000000000009",
    ]
    assert not any(sample.camera_valid or sample.mano_valid for sample in samples)
    assert samples[0].keypoints_img_valid.all() and not samples[0].keypoints_cam_valid.any()


def test_missing_cameras_are_guessed(raw, build, collect):
    def change(clip):
        clip["has_intr.npy"][1] = 0
        clip["focal.npy"][1] = clip["princpt.npy"][1] = 0

    raw.edit(change)
    samples = collect(build(raw))[0]
    sample = samples[name_of(1, "right")]
    assert not sample.camera_valid and samples[name_of(0, "right")].camera_valid
    assert sample.focal.tolist() == [320, 320] and sample.princpt.tolist() == [159.5, 119.5]


def test_options_change_poses_and_times(raw, build, collect):
    converter = build(raw, options=CsVit2Options("full", "s"))
    samples = collect(converter)[0]
    times = sorted(sample.frame_time for sample in samples.values())
    assert times[-1] == pytest.approx(4 * 33.3333, abs=1e-2)
    assert min(sample.mano_residual for sample in samples.values()) > 0.002
    assert "mano_pose is read as 'full', timestamp as 's'" in converter.info.source
    assert "MANO is moved so that its joints lie on the labelled ones" in converter.info.source
    assert "over the labelled keypoints without the tips" in converter.info.source
    assert converter.info.hand_model == "openhand" and converter.info.fingertips is None


@pytest.mark.parametrize("name", ["hand_bbox.npy", "timestamp.npy", "mano_shape.npy"])
def test_labels_that_are_not_finite_are_counted(raw, build, collect, name):
    raw.edit(lambda clip: clip[name].__setitem__(1, np.nan))
    raw.edit(lambda clip: clip["has_mano.npy"].__setitem__(1, name == "mano_shape.npy"))
    rejected = [item for item in collect(build(raw))[1] if item.reason != REPEATED]
    assert [item.reason for item in rejected] == [NOT_FINITE]
    assert "clip 0_r_train_ho3d: frame 1, " in rejected[0].where


@pytest.mark.parametrize("has_camera", [True, False])
def test_broken_images_are_counted(raw, build, collect, has_camera):
    def change(clip):
        clip["img_bytes.pickle"][2] = b"RIFF\0\0\0\0WEBPVP8 "
        clip["has_intr.npy"][2] = has_camera

    raw.edit(change)
    rejected = [item for item in collect(build(raw))[1] if item.reason != REPEATED]
    assert [item.reason for item in rejected] == [BAD_IMAGE]
    assert "clip 0_r_train_ho3d: frame 2, " in rejected[0].where


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("img_bytes.pickle", [b"only one"]),
        ("joint_cam.npy", np.ones((3, 20, 3), np.float32)),
        ("mano_pose.npy", np.ones(48, np.float32)),
    ],
)
def test_broken_clips_are_counted(raw, build, collect, name, value):
    if name == "joint_cam.npy":  # planning reads it of annotated hands
        raw.edit(lambda clip: clip.update({"joint_3d_valid.npy": np.zeros((3, 21), np.float32)}))
    raw.edit(lambda clip: clip.update({name: value}))
    if name == "joint_cam.npy":
        with pytest.raises(ValueError, match=r"000000\.tar: clip 0_r_train_ho3d: joint_cam\.npy"):
            build(raw)
        return
    rejected = [item for item in collect(build(raw))[1] if item.reason != REPEATED]
    assert [item.reason for item in rejected] == [BAD_CLIP]
    assert f"0_r_train_ho3d: {name}" in rejected[0].where


def test_folder_without_tars_is_named(tmp_path, world):
    with pytest.raises(ValueError, match=r"holds no \.tar"):
        CsVit2Converter(tmp_path, split="train", view=FullFrameView(), hands=world.pair)


def test_long_tars_are_cut_into_units(raw, build, monkeypatch):
    assert [unit.num_frames for unit in build(raw).units()] == [9, 5]
    monkeypatch.setattr("handvit.datasets.converters.cs_vit2.converter._FRAMES_PER_UNIT", 6)
    units = build(raw).units()
    assert [unit.num_frames for unit in units] == [6, 3, 5]
    assert units[1].name == "train-worker0-000000.tar-000002"


def test_tool_writes_the_same_bytes_with_any_number_of_workers(raw, load_tool):
    tars = []
    options = ["--split", "train", "--num-shards", "2", "--image-size", "64", "--mano", "openhand"]
    for workers in ("1", "2"):
        target = raw.root.parent / f"out{workers}"
        load_tool("dataset_converters/cs_vit2.py").main(
            [str(raw.root), str(target), "--num-workers", workers, *options]
        )
        tars.append([path.read_bytes() for path in sorted(target.glob("*.tar"))])
    assert len(tars[0]) == 2 and tars[0] == tars[1]
    reader = ShardReader(target)
    samples = [reader.read_sample(row) for row in range(len(reader))]
    assert len(samples) == 10
    # Left hands too: their shape directions mirror the right ones.
    assert max(sample.mano_residual for sample in samples) < 1e-6
