import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handvit.datasets.conversion import view
from handvit.datasets.conversion.view import CropView, FullFrameView
from handvit.datasets.converters.assemblyhands import converter as assemblyhands
from handvit.datasets.converters.assemblyhands.converter import AssemblyHandsConverter
from handvit.datasets.shards.shard_reader import ShardReader

# Raw joint -> canonical keypoint: fingers thumb to pinky from the tip, then the wrist.
FROM_TIPS = [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17, 0]
FRAMES = (520, 522, 524)  # numbered at 60 Hz, every second annotated
CAMERAS = ("HMC_21179183", "HMC_84355350")
SIZES = {
    "nusar-2021_action_both_9012-c07c_9012_user_id_2021-02-01_164345": (320, 240),
    "nusar-2021_action_both_9061-c13d_9061_user_id_2021-02-09_143830": (240, 180),
}
LARGE, SMALL = SIZES
KINDS = ("ego_data", "ego_calib", "joint_3d")


@dataclass
class RawSplit:
    """The files of a split, and the worlds of its sequences; the headset moves in each."""

    root: Path
    worlds: dict[str, Any]
    ego_data: dict[str, list]
    ego_calib: dict[str, dict]
    joint_3d: dict[str, dict]

    def path(self, kind) -> Path:
        return self.root / "annotations" / "val" / f"assemblyhands_val_{kind}_v1-1.json"

    def save(self) -> Path:
        for kind in KINDS:
            self.path(kind).parent.mkdir(parents=True, exist_ok=True)
            self.path(kind).write_text(json.dumps(getattr(self, kind)))
        return self.root

    def convert(self, stored=None) -> AssemblyHandsConverter:
        return AssemblyHandsConverter(self.save(), split="val", view=stored or FullFrameView())

    def camera(self, sequence, index, number):
        """The world has a camera for each place of the headset and each of its cameras."""
        return self.worlds[sequence].cameras[2 * index + number]


@pytest.fixture(scope="module")
def worlds(make_world):
    return {
        name: make_world(num_frames=3, num_cameras=6, size=size, seed=seed)
        for seed, (name, size) in enumerate(SIZES.items())
    }


@pytest.fixture(scope="module")
def pictures(worlds):
    return {
        (name, index, number): world.picture(index, world.cameras[2 * index + number])
        for name, world in worlds.items()
        for index in range(len(FRAMES))
        for number in range(len(CAMERAS))
    }


@pytest.fixture
def raw(tmp_path, worlds, pictures, write_picture) -> RawSplit:
    content = {"images": [], "annotations": []}
    raw = RawSplit(tmp_path, worlds, content, {"calibration": {}}, {"annotations": {}})
    for sequence in SIZES:
        calibration = {"intrinsics": {}, "extrinsics": {}}
        raw.ego_calib["calibration"][sequence] = calibration
        raw.joint_3d["annotations"][sequence] = {}
        for index, frame in enumerate(FRAMES):
            add_instant(raw, sequence, index, frame)
            calibration["extrinsics"][f"{frame:06d}"] = {}
            for number, name in enumerate(CAMERAS):
                camera = raw.camera(sequence, index, number)
                # The intrinsics of a camera are fixed; those of its first place stand for all.
                matrix = raw.camera(sequence, 0, number).matrix
                calibration["intrinsics"][f"{name}_mono10bit"] = matrix.tolist()
                pose = np.concatenate([camera.rotation, 1000 * camera.translation[:, None]], 1)
                calibration["extrinsics"][f"{frame:06d}"][f"{name}_mono10bit"] = pose.tolist()
                place = f"ego_images_rectified/val/{sequence}/{name}_mono10bit/{frame:06d}.jpg"
                write_picture(tmp_path / "images" / place, pictures[sequence, index, number])
                add_image(raw, place, sequence, name, frame)
    return raw


def add_instant(raw, sequence, index, frame) -> None:
    hands = raw.worlds[sequence].hands[index]
    coord = [hands[side].keypoints[FROM_TIPS] * 1000 for side in ("right", "left")]
    raw.joint_3d["annotations"][sequence][f"{frame:06d}"] = {
        "world_coord": np.concatenate(coord).tolist(),
        "joint_valid": [1] * 42,
    }


def add_image(raw, place, sequence, camera, frame) -> None:
    number = len(raw.ego_data["images"])
    width, height = SIZES[sequence]
    image = dict(id=number, file_name=place, width=width, height=height, seq_name=sequence)
    raw.ego_data["images"].append(image | dict(camera=camera, frame_idx=frame))
    bbox = {"right": [1.0, 2.0, 30.0, 40.0], "left": [5.0, 6.0, 70.0, 80.0]}
    annotation = dict(id=100 + number, image_id=number, bbox=bbox, joint_valid=[1] * 42)
    raw.ego_data["annotations"].append(annotation | dict(keypoints=[[0, 0, 0]] * 42))


def sample_id(side="right", sequence=LARGE, index=0, camera=CAMERAS[0]) -> str:
    return f"assemblyhands/val-{sequence}/{camera}/{FRAMES[index]:06d}/{side}"


@pytest.mark.parametrize("stored", [FullFrameView(), CropView(64, 1.5)], ids=["full", "crop"])
def test_truth_of_both_hands_in_a_moving_headset(raw, collect, assert_truth, stored):
    samples, rejections = collect(raw.convert(stored))
    assert not rejections and len(samples) == 24  # 2 sequences, 3 frames, 2 cameras, 2 hands
    for sequence, world in raw.worlds.items():
        for index, frame in enumerate(FRAMES):
            for number, name in enumerate(CAMERAS):
                for side in ("right", "left"):
                    sample = samples[sample_id(side, sequence, index, name)]
                    hand = world.hands[index][side]
                    assert_truth(sample, hand, raw.camera(sequence, index, number), world.pair)
                    assert sample.keypoints_cam_valid.all()
                    assert not sample.mano_valid and sample.camera_valid
                    assert sample.frame_time == pytest.approx(frame / 60)
                    assert sample.extra["subject"] == sequence[23:27]


def test_images_of_a_sequence_may_be_smaller(raw, collect):
    samples, _ = collect(raw.convert())
    assert samples[sample_id()].image_size == (320, 240)
    assert samples[sample_id(sequence=SMALL)].image_size == (240, 180)


def test_box_is_that_of_the_joints_in_the_image(raw, collect):
    samples, _ = collect(raw.convert())
    for sample in samples.values():
        pixels = sample.keypoints_img[sample.keypoints_img_valid]
        np.testing.assert_allclose(sample.bbox_xyxy, [*pixels.min(0), *pixels.max(0)])


def test_hand_without_a_box_is_not_there(raw, collect):
    raw.ego_data["annotations"][0]["bbox"]["right"] = None
    samples, rejections = collect(raw.convert())
    assert len(samples) == 23 and not rejections
    assert sample_id("right") not in samples and sample_id("left") in samples


@pytest.mark.parametrize("num_joints, is_taken", [(9, False), (10, True)])
def test_hand_with_few_joints_is_counted(raw, collect, num_joints, is_taken):
    valid = [1] * 21 + [1] * num_joints + [0] * (21 - num_joints)
    raw.ego_data["annotations"][0]["joint_valid"] = valid
    samples, rejections = collect(raw.convert())
    assert (sample_id("left") in samples) == is_taken
    reasons = [rejection.reason for rejection in rejections]
    assert reasons == ([] if is_taken else [assemblyhands.FEW_JOINTS])
    assert is_taken or rejections[0].where.endswith("v1-1.json: annotation 100: left")


def test_masks_of_2d_and_3d_come_from_their_own_files(raw, collect):
    raw.ego_data["annotations"][0]["joint_valid"][4] = 0  # the right index tip
    raw.joint_3d["annotations"][LARGE]["000520"]["joint_valid"][21 + 15] = 0  # left ring base
    samples, _ = collect(raw.convert())
    right, left = samples[sample_id("right")], samples[sample_id("left")]
    assert np.flatnonzero(~right.keypoints_img_valid).tolist() == [8]
    assert right.keypoints_cam_valid.all()
    assert np.flatnonzero(~left.keypoints_img_valid).tolist() == [13]
    assert np.flatnonzero(~left.keypoints_cam_valid).tolist() == [13]


def test_joint_behind_the_headset_is_not_valid(raw, collect):
    turn = raw.camera(LARGE, 0, 0).rotation
    coord = np.array(raw.joint_3d["annotations"][LARGE]["000520"]["world_coord"])
    coord[4] -= turn.T @ [0, 0, 5000.0]  # the right index tip
    raw.joint_3d["annotations"][LARGE]["000520"]["world_coord"] = coord.tolist()
    right = collect(raw.convert())[0][sample_id("right")]
    assert np.flatnonzero(~right.keypoints_cam_valid).tolist() == [8]
    assert np.flatnonzero(~right.keypoints_img_valid).tolist() == [8]


def test_hand_beside_or_behind_the_headset_is_counted(raw, collect):
    camera = raw.camera(LARGE, 0, 0)
    coord = np.array(raw.joint_3d["annotations"][LARGE]["000520"]["world_coord"])
    coord[:21] += camera.rotation.T @ [5000.0, 0, 0]  # to the right of the image
    coord[21:] -= camera.rotation.T @ [0, 0, 5000.0]
    raw.joint_3d["annotations"][LARGE]["000520"]["world_coord"] = coord.tolist()
    samples, rejections = collect(raw.convert())
    assert sample_id("right") not in samples and sample_id("left") not in samples
    assert {rejection.reason for rejection in rejections} == {assemblyhands.NOT_IN_IMAGE}


def test_labels_without_meaning_are_counted(raw, collect):
    instants = raw.joint_3d["annotations"][LARGE]
    instants["000520"]["world_coord"][3] = [float("nan")] * 3
    coord = np.array(instants["000522"]["world_coord"])
    aside = raw.camera(LARGE, 1, 0).rotation.T @ [5000.0, 0, 0]
    coord[1:21] += aside  # one joint in an image has no box
    instants["000522"]["world_coord"] = coord.tolist()
    samples, rejections = collect(raw.convert(CropView(64)))
    assert sample_id("right", index=1) not in samples and sample_id("left", index=1) in samples
    reasons = [rejection.reason for rejection in rejections]
    assert reasons.count(f"{view.BAD_LABELS}: keypoints_cam") == 2
    assert reasons.count(f"{view.BAD_LABELS}: bbox_xyxy") == 2


def test_frames_outside_the_lists_are_counted(raw, collect):
    del raw.joint_3d["annotations"][LARGE]["000520"]
    del raw.ego_calib["calibration"][LARGE]["extrinsics"]["000522"]
    del raw.ego_calib["calibration"][SMALL]["intrinsics"]["HMC_84355350_mono10bit"]
    samples, rejections = collect(raw.convert())
    reasons = [rejection.reason for rejection in rejections]
    assert reasons.count(assemblyhands.NO_JOINTS) == 2
    assert reasons.count(assemblyhands.NO_CAMERA) == 2 + 3
    assert len(samples) == 24 - 2 * 7


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda path: path.unlink(), view.NO_IMAGE),
        (lambda path: path.write_bytes(b"broken"), view.BAD_IMAGE),
        (lambda path: path.write_bytes(other_size(path)), view.OTHER_SIZE),
    ],
    ids=["missing", "broken", "other size"],
)
def test_bad_images_are_counted_by_name(raw, collect, spoil, reason):
    spoil(raw.root / "images" / raw.ego_data["images"][0]["file_name"])
    samples, rejections = collect(raw.convert())
    assert len(samples) == 22
    assert {rejection.reason for rejection in rejections} == {reason}
    assert f"{LARGE}/HMC_21179183_mono10bit/000520.jpg" in rejections[0].where


def other_size(path: Path) -> bytes:
    return (path.parents[2] / SMALL / "HMC_21179183_mono10bit" / "000520.jpg").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_cut_off_annotation_files_are_named(raw, kind):
    path = raw.save() and raw.path(kind)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"{path.name}: not readable .*assemblyhands"):
        AssemblyHandsConverter(raw.root, split="val", view=FullFrameView())
    path.unlink()
    with pytest.raises(ValueError, match=rf"{path.name}: not found; .*v1-1"):
        AssemblyHandsConverter(raw.root, split="val", view=FullFrameView())


def test_tool_writes_the_same_with_any_number_of_workers(raw, load_tool):
    tars = {}
    for workers in ("1", "2"):
        out = raw.root / workers
        arguments = [str(raw.save()), str(out), "--split", "val", "--num-shards", "2"]
        load_tool("dataset_converters/assemblyhands.py").main(
            [*arguments, "--num-workers", workers]
        )
        tars[workers] = [tar.read_bytes() for tar in sorted(out.glob("*.tar"))]
    assert tars["1"] == tars["2"] and len(tars["1"]) == 2
    info = ShardReader(raw.root / "1").info
    assert (info.num_samples, info.hand_model, info.fingertips) == (24, None, None)
    assert "v1-1" in info.source
