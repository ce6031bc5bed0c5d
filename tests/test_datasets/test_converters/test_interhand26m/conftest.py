"""A miniature of InterHand2.6M in its published layout, of open hands whose poses are known."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handvit.datasets.conversion.view import FullFrameView
from handvit.datasets.converters.interhand26m.annotations import annotation_path
from handvit.datasets.converters.interhand26m.converter import InterHandConverter
from handvit.hand_models.mano_conversion import remove_mean_pose

# Raw joint -> canonical keypoint: fingers thumb to pinky from the tip, then the wrist.
FROM_TIPS = [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17, 0]
SIZE = (168, 256)
FRAMES = (1000, 1018, 1036)  # 5 fps of a camera at 90 Hz
CAMERAS = ("400026", "410053")
KINDS = ("data", "camera", "joint_3d", "MANO_NeuralAnnot")
SEQUENCES = {"ROM01_Both": "interacting", "0001_fist": "right", "0002_fist": "left"}


@dataclass
class RawSplit:
    """The files of one split, and the world they were made from."""

    root: Path
    world: Any
    split: str
    data: dict[str, list]
    camera: dict[str, dict]
    joint_3d: dict[str, dict]
    MANO_NeuralAnnot: dict[str, dict]
    kinds: tuple[str, ...] = KINDS  # files to write

    def save(self) -> Path:
        for kind in self.kinds:
            path = annotation_path(self.root, self.split, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(getattr(self, kind)))
        return self.root

    def annotation(self, sequence="ROM01_Both", frame=FRAMES[0], camera=CAMERAS[0]) -> dict:
        wanted = (sequence, frame, camera)
        for image, annotation in zip(self.data["images"], self.data["annotations"], strict=True):
            if (image["seq_name"], image["frame_idx"] % 10000, image["camera"]) == wanted:
                return annotation
        raise KeyError(wanted)

    def convert(self, **options) -> InterHandConverter:
        options = {"view": FullFrameView(), "hands": self.world.pair, **options}
        return InterHandConverter(self.save(), split=self.split, **options)


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(num_frames=len(FRAMES), num_cameras=len(CAMERAS), size=SIZE)


@pytest.fixture(scope="module")
def make_raw(world, write_picture, tmp_path_factory):
    """Write all images of a capture and return its files, whose JSON is not written yet."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures = {}
    for index in range(len(FRAMES)):
        for name, camera in zip(CAMERAS, world.cameras, strict=True):
            write_picture(folder / f"{index}{name}.jpg", world.picture(index, camera))
            pictures[index, name] = (folder / f"{index}{name}.jpg").read_bytes()

    def make(root, split="test", capture=7) -> RawSplit:
        raw = empty_split(root, world, split, capture)
        for number, (sequence, hand_type) in enumerate(SEQUENCES.items()):
            for index in range(len(FRAMES)):
                frame = FRAMES[index] + 10000 * number  # numbers are unique in a capture
                coord, valid = add_instant(raw, index, capture, frame, hand_type)
                for name, camera in zip(CAMERAS, world.cameras, strict=True):
                    place = f"Capture{capture}/{sequence}/cam{name}/image{frame}.jpg"
                    path = root / "images" / split / place
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(pictures[index, name])
                    image = dict(file_name=place, capture=capture, seq_name=sequence, camera=name)
                    raw.data["images"].append(
                        dict(id=500 + len(raw.data["images"]), **image, frame_idx=frame, subject=3)
                        | dict(width=SIZE[0], height=SIZE[1])
                    )
                    add_annotation(raw, camera, coord, valid, hand_type)
        return raw

    return make


@pytest.fixture
def raw(tmp_path, make_raw) -> RawSplit:
    return make_raw(tmp_path)


def empty_split(root, world, split, capture) -> RawSplit:
    parts = {key: {} for key in ("campos", "camrot", "focal", "princpt")}
    for name, camera in zip(CAMERAS, world.cameras, strict=True):
        parts["campos"][name] = (camera.position * 1000).tolist()  # not the translation
        parts["camrot"][name] = camera.rotation.tolist()
        parts["focal"][name] = camera.focal.tolist()
        parts["princpt"][name] = camera.princpt.tolist()
    key = str(capture)
    data = {"images": [], "annotations": []}
    return RawSplit(root, world, split, data, {key: parts}, {key: {}}, {key: {}})


def add_instant(raw, index, capture, frame, hand_type) -> tuple[np.ndarray, np.ndarray]:
    coord, valid = world_joints(raw.world, index, hand_type)
    nested = valid[:, None].astype(int).tolist()
    raw.joint_3d[str(capture)][str(frame)] = dict(
        world_coord=coord.tolist(), joint_valid=nested, hand_type=hand_type, hand_type_valid=True
    )
    raw.MANO_NeuralAnnot[str(capture)][str(frame)] = {
        side: mano(raw.world, index, side) if hand_type in (side, "interacting") else None
        for side in ("right", "left")
    }
    return coord, valid


def world_joints(world, index, hand_type) -> tuple[np.ndarray, np.ndarray]:
    coord, valid = np.ones((42, 3)), np.zeros(42, bool)
    for side, first in (("right", 0), ("left", 21)):
        if hand_type in (side, "interacting"):
            coord[first : first + 21] = world.hands[index][side].keypoints[FROM_TIPS] * 1000
            valid[first : first + 21] = True
    return coord, valid


def mano(world, index, side) -> dict[str, list]:
    hand = world.hands[index][side]
    pose = remove_mean_pose(hand.hand_pose, world.pair.asset(hand.is_right))
    full = [*hand.global_orient.tolist(), *pose.tolist()]
    return {"pose": full, "shape": hand.betas.tolist(), "trans": hand.transl.tolist()}


def add_annotation(raw, camera, coord, valid, hand_type) -> None:
    pixels = camera.project(camera.to_cam(coord / 1000))
    valid = valid & (pixels > -0.5).all(1) & (pixels < np.array(SIZE) - 0.5).all(1)
    low, high = pixels[valid].min(0), pixels[valid].max(0)
    number = 500 + len(raw.data["annotations"])
    box = [*(low - 0.1 * (high - low)), *(1.2 * (high - low))]
    nested = valid[:, None].astype(int).tolist()
    raw.data["annotations"].append(
        dict(id=number, image_id=number, bbox=box, joint_valid=nested, hand_type=hand_type)
        | dict(hand_type_valid=1)
    )
