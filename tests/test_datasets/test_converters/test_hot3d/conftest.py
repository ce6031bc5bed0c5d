"""A miniature of HOT3D-Clips in its published layout, of open hands whose poses are known."""

import io
import json
import shutil
import tarfile
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.view import CropView
from handvit.datasets.converters.hot3d.converter import Hot3dConverter
from handvit.datasets.converters.rectified_view import RectifiedView
from handvit.geometry.rasterizer import rasterize
from handvit.hand_models.mano_conversion import root_to_transl

NUM_FRAMES = 3
START_NS = 54_971_174_871_117
FRAME_NS = 33_333_333
RADIAL = [0.04, -0.045, 0.016, -0.011, 0.0035, -0.0005]
SMALL = [0.0005, -0.0004, 0.001, -0.0002, 0.0012, -0.0001]
PARAMS = {  # Aria has one focal length, Quest 3 two and no prism
    "214-1": [610.0, 706.0, 704.0, *RADIAL, *SMALL],
    "1201-1": [241.0, 318.0, 237.0, *RADIAL, *SMALL],
    "1201-2": [242.0, 321.0, 238.0, *RADIAL, *SMALL],
}
SIZES = {"214-1": (1408, 1408), "1201-1": (640, 480), "1201-2": (640, 480)}
QUEST3 = [504.0, 506.0, 638.0, 509.0, *RADIAL, *SMALL[:2], 0.0, 0.0, 0.0, 0.0]
DEVICES = {"Aria": (1849, "P0001_23fa0ee8"), "Quest3": (2001, "P0009_02511c2f")}


def fisheye(points, params):
    """FISHEYE624 by its published formula, (N, 3) -> (N, 2)."""
    fx, fy, cx, cy, *k = params if len(params) == 16 else [params[0], *params]
    p1, p2, s1, s2, s3, s4 = k[6:]
    x, y, z = points.T
    theta, phi = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    radius = theta + sum(k[i] * theta ** (2 * i + 3) for i in range(6))
    u, v = radius * np.cos(phi), radius * np.sin(phi)
    r2 = u * u + v * v
    du = 2 * p2 * u * v + p1 * (r2 + 2 * u * u) + s1 * r2 + s2 * r2 * r2
    dv = 2 * p1 * u * v + p2 * (r2 + 2 * v * v) + s3 * r2 + s4 * r2 * r2
    return np.stack([fx * (u + du) + cx, fy * (v + dv) + cy], axis=-1)


@dataclass(frozen=True)
class Shot:
    """One camera of one frame: where it was, and its lens."""

    pose: object  # TrueCamera, of which only rotation and translation count
    params: list[float]
    size: tuple[int, int]

    def pixels(self, hand):
        return fisheye(self.pose.to_cam(hand.vertices), self.params)


@dataclass(frozen=True)
class Truth:
    """``hands[frame][side]`` and ``shots[device, stream, frame]``."""

    world: object
    thetas: dict[tuple[int, str], np.ndarray]
    hands: list[dict[str, object]]
    shots: dict[tuple[str, str, int], Shot]

    def of(self, sample):
        """Return the hands of a sample's frame and its virtual camera, as the sample has it."""
        _, _, stream, frame, _ = sample.sample_id.split("/")
        pose = self.shots[sample.extra["device"], stream, int(frame)].pose
        turn = np.array(sample.extra["rotation_from_camera"])
        camera = replace(
            pose,
            rotation=turn @ pose.rotation,
            translation=turn @ pose.translation,
            focal=sample.focal,
            princpt=sample.princpt,
        )
        return self.hands[int(frame)], camera


def true_hand(pair, hand, thetas, betas):
    """Close a hand by PCA coefficients; ``None`` makes it flat."""
    asset = pair.asset(hand.is_right)
    pose = np.zeros(45)
    if thetas is not None:
        pose = asset.hands_mean + np.einsum("k,kp->p", thetas, asset.hands_components[:15])
    mesh = pair.pose(
        hand.is_right, global_orient=hand.global_orient, hand_pose=pose, betas=betas, root=hand.root
    )
    return replace(
        hand,
        hand_pose=pose,
        betas=betas,
        transl=root_to_transl(hand.root, betas, asset),
        keypoints=mesh.keypoints,
        vertices=mesh.vertices,
    )


@pytest.fixture(scope="session")
def truth(make_world):
    """Three frames: with both hands, with the right one, and with the right one flat."""
    world = make_world(num_frames=NUM_FRAMES, seed=3)
    rng = np.random.default_rng(5)
    betas = rng.normal(0, 0.8, 10)
    thetas = {key: rng.normal(0, 0.6, 15) for key in ((0, "left"), (0, "right"), (1, "right"))}
    hands = [
        {
            side: true_hand(world.pair, hand, thetas.get((frame, side)), betas)
            for side, hand in sides.items()
            if side == "right" or frame == 0
        }
        for frame, sides in enumerate(world.hands)
    ]
    shots = {}
    for device, streams in (("Aria", list(PARAMS)), ("Quest3", ["1201-1", "1201-2"])):
        for i, stream in enumerate(streams):
            for frame in range(NUM_FRAMES):
                # The hands lie up to 50 degrees off the axis, and the head moves.
                turn = Rotation.from_euler("xy", [25 - 20 * i, 35 - 25 * frame], degrees=True)
                at = world.cameras[0]
                pose = replace(
                    at,
                    rotation=turn.as_matrix() @ at.rotation,
                    translation=turn.apply(at.translation) * (0.7 + 0.1 * i),
                )
                aria = device == "Aria"
                params = PARAMS[stream] if aria else QUEST3
                shots[device, stream, frame] = Shot(
                    pose, params, SIZES[stream] if aria else (1280, 1024)
                )
    return Truth(world, thetas, hands, shots)


def picture(truth, shot, hands):
    """Draw bright hands on a dark ground, (H, W, 3)."""
    width, height = shot.size
    image = np.full((height, width, 3), 30, np.uint8)
    for hand in hands.values():
        depth = np.linalg.norm(shot.pose.to_cam(hand.vertices), axis=-1)
        screen = np.concatenate([shot.pixels(hand), depth[:, None]], axis=1)
        faces = torch.from_numpy(truth.world.pair.asset(hand.is_right).faces)
        seen = rasterize(torch.from_numpy(screen[None]).float(), faces, height=height, width=width)
        image.reshape(-1, 3)[seen.pixel.numpy()] = (220, 180, 150)
    return image


def rigid(rotation, translation):
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return {"quaternion_wxyz": [w, x, y, z], "translation_xyz": list(translation)}


def camera_record(shot, stream):
    return {
        "calibration": {
            "label": "camera-rgb" if stream == "214-1" else "camera-slam-left",
            "stream_id": stream,
            "serial_number": "0",
            "image_width": shot.size[0],
            "image_height": shot.size[1],
            "projection_model_type": "CameraModelType.FISHEYE624",
            "projection_params": shot.params,
            "T_device_from_camera": rigid(np.eye(3), [0.1, 0.2, 0.3]),
            "max_solid_angle": 1.2,
        },
        "T_world_from_camera": rigid(shot.pose.rotation.T, shot.pose.position),
    }


def hand_record(truth, frame, side, shots):
    """Boxes are whole pixels; a flat hand has no MANO pose."""
    hand = truth.hands[frame][side]
    record = {
        "umetrack_pose": {
            "joint_angles": [0.0] * 22,
            "T_world_from_wrist": rigid(
                Rotation.from_rotvec(hand.global_orient).as_matrix(), hand.root
            ),
        },
        "boxes_amodal": {},
        "visibilities_modeled": {},
    }
    for stream, shot in shots.items():
        pixels = shot.pixels(hand)
        record["boxes_amodal"][stream] = [*pixels.min(0).round(), *pixels.max(0).round()]
        record["visibilities_modeled"][stream] = 0.8
    if (frame, side) in truth.thetas:
        record["mano_pose"] = {
            "thetas": list(truth.thetas[frame, side]),
            "wrist_xform": [*hand.global_orient, *hand.transl],
        }
    return record


@pytest.fixture(scope="session")
def umetrack_profile(truth):
    """The open left hand at rest as UmeTrack keeps one: millimetres from the wrist."""
    mesh = truth.world.pair.pose(
        False,
        global_orient=np.zeros(3),
        hand_pose=np.zeros(45),
        betas=truth.hands[0]["left"].betas,
        root=np.zeros(3),
    )
    point = mesh.keypoints * 1000
    joints = [point[i] for base in (1, 5, 9, 13, 17) for i in (base, base, base + 1, base + 2)]
    tips, fingers = [4, 8, 12, 16, 20], [5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19]
    frames = [value for bone in range(2, 17, 3) for value in (255, bone, bone + 1, bone + 2)]
    weights = np.zeros((778, 17))
    weights[:, 1] = 1
    return {
        "joint_rotation_axes": np.eye(3)[np.arange(22) % 3].tolist(),
        "joint_rest_positions": np.array([*joints, np.zeros(3), np.zeros(3)]).tolist(),
        "joint_parent": [255 if j % 4 == 0 else j - 1 for j in range(22)],
        "joint_frame_index": [*frames, 255, 0],
        "landmark_rest_positions": point[[*tips, 0, 2, 3, *fingers, 9]].tolist(),
        "landmark_rest_bone_indices": np.ones((21, 3), int).tolist(),
        "landmark_rest_bone_weights": [[1.0, 0.0, 0.0]] * 21,
        "mesh_vertices": (mesh.vertices * 1000).tolist(),
        "dense_bone_weights": weights.tolist(),
    }


def write_clip(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            if not isinstance(content, bytes):
                content = json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def clip_files(truth, profile, device):
    """Content of a clip's tar by name."""
    files = {}
    for frame, hands in enumerate(truth.hands):
        shots = {s: shot for (d, s, f), shot in truth.shots.items() if (d, f) == (device, frame)}
        for stream, shot in shots.items():
            image = picture(truth, shot, hands)
            if stream != "214-1":
                image = image[..., 0]  # the others are grey
            jpeg = cv2.imencode(".jpg", image[..., ::-1] if image.ndim == 3 else image)[1]
            files[f"{frame:06d}.image_{stream}.jpg"] = jpeg.tobytes()
        records = {side: hand_record(truth, frame, side, shots) for side in hands}
        cameras = {stream: camera_record(shot, stream) for stream, shot in shots.items()}
        files[f"{frame:06d}.cameras.json"] = cameras
        files[f"{frame:06d}.hands.json"] = {**({"left": None} if frame == 2 else {}), **records}
        files[f"{frame:06d}.hand_crops.json"] = {"left": {}, "right": {}}
        files[f"{frame:06d}.objects.json"] = {"1": []}
        files[f"{frame:06d}.info.json"] = {
            "device": device,
            "sequence_id": DEVICES[device][1],
            "ref_timestamp_ns": START_NS + frame * FRAME_NS,
        }
    files["__hand_shapes.json__"] = {
        "mano": list(truth.hands[0]["left"].betas),
        "umetrack": profile,
    }
    return files


@pytest.fixture(scope="session")
def source(truth, umetrack_profile, tmp_path_factory):
    """The published layout, with two clips and one that was not downloaded."""
    root = tmp_path_factory.mktemp("hot3d")
    for device, (clip, _) in DEVICES.items():
        path = root / f"train_{device.lower()}" / f"clip-{clip:06d}.tar"
        write_clip(path, clip_files(truth, umetrack_profile, device))
    frames = [{"1201-1": START_NS + frame * FRAME_NS} for frame in range(NUM_FRAMES)]
    definitions = {
        str(clip): {"sequence_id": name, "device": device, "per_frame_timestamps_ns": frames}
        for device, (clip, name) in [*DEVICES.items(), ("Aria", (7, "P0002_00000000"))]
    }
    (root / "clip_definitions.json").write_text(json.dumps(definitions))
    splits = {"train": {"Aria": [1849, 7], "Quest3": [2001]}, "test_bop": {"Quest3": [2001]}}
    (root / "clip_splits.json").write_text(json.dumps(splits))
    return root


@pytest.fixture(scope="session")
def make_converter(truth):
    """Return ``make(source, crop=CropView(), ...)``."""

    def make(root, **options):
        view = RectifiedView(options.pop("crop", CropView()))
        return Hot3dConverter(root, view=view, hands=truth.world.pair, **options)

    return make


@pytest.fixture(scope="session")
def changed(source):
    """Return ``changed(folder, change)``: a copy with ``change(files)`` made to a Quest 3 clip.

    Files map names to bytes or to values that become JSON.
    """

    def copy(folder, change):
        shutil.copytree(source, folder)
        path = folder / "train_quest3" / "clip-002001.tar"
        with tarfile.open(path) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}
        change(files)
        write_clip(path, files)
        return folder

    return copy
