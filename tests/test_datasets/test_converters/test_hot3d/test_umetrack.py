"""The last tests hold HOT3D's own numbers against each other, through our camera."""

import csv
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.hot3d.converter import box_overlap
from handvit.datasets.converters.hot3d.records import SIDEWAYS, Rigid
from handvit.datasets.converters.hot3d.umetrack import KEYPOINTS, LANDMARKS, UmeTrackHand
from handvit.datasets.converters.rectified_view import FisheyeCamera
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import transl_to_root
from handvit.structures.skeleton import KEYPOINT_NAMES

#: UmeTrack's landmarks by their names in HOT3D, as keypoints of ours are called.
NAMES = ("thumb4", "index4", "middle4", "ring4", "pinky4", "wrist", "thumb2", "thumb3", "index1")
NAMES += ("index2", "index3", "middle1", "middle2", "middle3", "ring1", "ring2", "ring3")
NAMES += ("pinky1", "pinky2", "pinky3")
SIDES, STREAMS = {"0": False, "1": True}, ("1201-1", "1201-2", "214-1")
SIZES = {"214-1": (1408, 1408), "1201-1": (640, 480), "1201-2": (640, 480)}


def random_profile(rng):
    """A skeleton of the published topology with skin that follows several bones."""
    weights = rng.uniform(0, 1, (30, 17)) ** 8
    frames = [value for bone in range(2, 17, 3) for value in (255, bone, bone + 1, bone + 2)]
    axes = rng.normal(size=(22, 3))
    return {
        "joint_rotation_axes": (axes / np.linalg.norm(axes, axis=1, keepdims=True)).tolist(),
        "joint_rest_positions": rng.normal(0, 60, (22, 3)).tolist(),
        "joint_parent": [255.0 if j % 4 == 0 else j - 1.0 for j in range(22)],
        "joint_frame_index": [*frames, 255, 0],
        "landmark_rest_positions": rng.normal(0, 60, (21, 3)).tolist(),
        "landmark_rest_bone_indices": rng.integers(1, 17, (21, 3)).tolist(),
        "landmark_rest_bone_weights": rng.dirichlet(np.ones(3), 21).tolist(),
        "mesh_vertices": rng.normal(0, 60, (30, 3)).tolist(),
        "dense_bone_weights": (weights / weights.sum(1, keepdims=True)).tolist(),
    }


def reference(profile, angles, point, weights):
    """Pose one point with 4x4 matrices, bone by bone, millimetres."""

    def motion(joint):
        turn, place = np.eye(4), np.array(profile["joint_rest_positions"][joint])
        axis = np.array(profile["joint_rotation_axes"][joint])
        turn[:3, :3] = Rotation.from_rotvec(axis * angles[joint]).as_matrix()
        there, back = np.eye(4), np.eye(4)
        there[:3, 3], back[:3, 3] = place, -place
        parent = profile["joint_parent"][joint]
        before = np.eye(4) if parent == 255 else motion(int(parent))
        return before @ there @ turn @ back

    total = np.zeros(3)
    for bone, weight in weights.items():
        moved = np.array([*point, 1.0])
        if bone in profile["joint_frame_index"] and bone != 0:
            moved = motion(profile["joint_frame_index"].index(bone)) @ moved
        total += weight * moved[:3]
    return total


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("is_right", [True, False])
def test_points_follow_their_bones(rng, is_right):
    profile, angles = random_profile(rng), rng.normal(0, 0.7, 22)
    wrist = Rigid(Rotation.from_rotvec([0.3, 1.1, -0.5]).as_matrix(), np.array([0.1, 0.2, 0.6]))
    mesh = UmeTrackHand(profile).pose(is_right, angles, wrist)
    landmarks = [
        reference(profile, angles, point, sum_up(bones, weights))
        for point, bones, weights in zip(
            profile["landmark_rest_positions"][:20],
            profile["landmark_rest_bone_indices"],
            profile["landmark_rest_bone_weights"],
            strict=False,
        )
    ]
    vertices = [
        reference(profile, angles, point, dict(enumerate(weights)))
        for point, weights in zip(
            profile["mesh_vertices"], profile["dense_bone_weights"], strict=True
        )
    ]
    side = np.array([-1, 1, 1]) if is_right else 1
    expected = wrist.apply(side * np.array([*landmarks, *vertices]) * 0.001)
    np.testing.assert_allclose(mesh.landmarks, expected[:20], atol=1e-9)
    np.testing.assert_allclose(mesh.vertices, expected[20:], atol=1e-9)


def sum_up(bones, weights):
    """A bone may be named several times."""
    return {
        bone: sum(w for b, w in zip(bones, weights, strict=True) if b == bone) for bone in bones
    }


def test_20_and_22_angles_are_the_same_hand(rng):
    hand, angles = UmeTrackHand(random_profile(rng)), rng.normal(0, 0.7, 20)
    wrist = Rigid(np.eye(3), np.zeros(3))
    first, second = (
        hand.pose(True, values, wrist) for values in (angles, np.concatenate([angles, [1, 1]]))
    )
    np.testing.assert_array_equal(first.vertices, second.vertices)


def test_landmarks_find_their_keypoints():
    for keypoint, landmark in zip(KEYPOINTS, LANDMARKS, strict=True):
        assert KEYPOINT_NAMES[keypoint] == NAMES[landmark]
    assert {*range(21)} - {*KEYPOINTS} == {0, 1}  # the wrist and the base of the thumb


@pytest.mark.parametrize(
    "key, value, problem",
    [
        ("joint_parent", [255] * 19, "are not 20 indices below 20"),
        ("joint_parent", [5] * 20, "a parent comes after its child"),
        ("joint_frame_index", [17] * 20, "are not 20 indices below 17"),
        ("landmark_rest_bone_indices", [[17, 1, 1]] * 21, "rows of bones 0 to 16"),
        ("landmark_rest_bone_weights", [[1, 0]] * 21, r"\(21, 2\), want \(21, 3\)"),
        ("dense_bone_weights", [[1] * 17] * 29, r"\(29, 17\), want \(30, 17\)"),
        ("mesh_vertices", None, "mesh_vertices"),
    ],
)
def test_profiles_that_are_not_understood(rng, key, value, problem):
    with pytest.raises(ValueError, match=rf"^{key}: .*{problem}|^{problem}: "):
        UmeTrackHand({**random_profile(rng), key: value})


class Recording:
    """The real recording: poses and boxes of 34 frames, and how the device moved."""

    def __init__(self, folder):
        self.mano = self._poses(folder / "mano_hand_pose_trajectory.jsonl")
        self.umetrack = self._poses(folder / "umetrack_hand_pose_trajectory.jsonl")
        profile = json.loads((folder / "umetrack_hand_user_profile.json").read_text())
        self.hand = UmeTrackHand(profile["hand_model"])
        with (folder / "headset_trajectory.csv").open() as file:
            rows = list(csv.reader(file))[1:]
        self.device = {int(row[1]): rigid(row[5:9], row[2:5]) for row in rows}
        with (folder / "box2d_hands.csv").open() as file:
            self.boxes = [row for row in list(csv.reader(file))[1:] if row[3]]
        line = (folder / "mps/slam/online_calibration.jsonl").read_text().splitlines()[0]
        cameras = json.loads(line)["CameraCalibrations"]
        self.cameras = {
            stream: (
                np.array(camera["Projection"]["Params"]),
                rigid(
                    [
                        camera["T_Device_Camera"]["UnitQuaternion"][0],
                        *camera["T_Device_Camera"]["UnitQuaternion"][1],
                    ],
                    camera["T_Device_Camera"]["Translation"],
                ),
            )
            for stream, camera in zip(STREAMS, cameras, strict=True)
        }

    @staticmethod
    def _poses(path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return {line["timestamp_ns"]: line["hand_poses"] for line in lines}

    def seen(self):
        """Yield camera, mesh in it and box of every hand in every image, and its name."""
        for stream, side, time, x0, x1, y0, y1, _ in self.boxes:
            params, device_from_camera = self.cameras[stream]
            camera = FisheyeCamera(params, SIZES[stream], SIDEWAYS)
            record = self.umetrack[int(time)][side]
            world_from_wrist = pose(record)
            world_from_camera = self.device[int(time)].after(device_from_camera)
            wrist = world_from_camera.inverse().after(world_from_wrist)
            mesh = self.hand.pose(SIDES[side], np.array(record["joint_angles"]), wrist)
            yield camera, mesh, np.array([x0, y0, x1, y1], float), (stream, SIDES[side])


def rigid(quaternion_wxyz, translation_xyz):
    return Rigid.of_record({"quaternion_wxyz": quaternion_wxyz, "translation_xyz": translation_xyz})


def pose(record):
    return rigid(record["wrist_xform"]["q_wxyz"], record["wrist_xform"]["t_xyz"])


@pytest.fixture(scope="module")
def recording(shared_data):
    return Recording(shared_data / "hot3d" / "Aria" / "P0003_c701bd11")


def test_real_boxes_hold_the_hands_that_the_fisheye_camera_sees(recording):
    """Up to 2 px: the boxes were made with another calibration than that of the moment."""
    overlaps, inside = [], []
    for camera, mesh, box, _ in recording.seen():
        overlaps.append(box_overlap(mesh.vertices, camera, box))
        landmarks = camera.pixels(mesh.landmarks)
        assert len(landmarks) == 20
        inside.append(((landmarks > box[:2] - 2) & (landmarks < box[2:] + 2)).all(-1))
    assert len(overlaps) == 184
    assert np.min(overlaps) > 0.9 and np.mean(overlaps) > 0.95
    assert np.all(inside)


def test_real_pictures_are_upright_after_a_quarter_turn(recording):
    """Left hands are to the left of right hands, and fingers point away from the wearer."""
    middles, fingers = {}, []
    for camera, mesh, _, (stream, is_right) in recording.seen():
        upright = mesh.landmarks @ camera.upright.T
        pixels = upright[:, :2] / upright[:, 2:]
        middles.setdefault((stream, is_right), []).append(pixels.mean(0))
        fingers.append(pixels[5] - pixels[2])  # wrist minus tip of the middle finger
    for stream in STREAMS:
        assert np.mean(middles[stream, False], 0)[0] < np.mean(middles[stream, True], 0)[0]
    assert np.mean(fingers, 0)[1] > 0


def test_real_mano_wrists_lie_beside_those_of_umetrack(recording):
    """By ``transl`` plus the wrist at rest of its side; ``transl`` alone is no wrist."""
    pair = HandPair.load("openhand")  # its wrist at rest is MANO's
    for side, is_right in SIDES.items():
        gaps = []
        for time, hands in recording.mano.items():
            transl = pose(hands[side]).translation
            root, other = (
                transl_to_root(transl, np.zeros(10), pair.asset(right))
                for right in (is_right, not is_right)
            )
            there = pose(recording.umetrack[time][side]).translation
            gaps.append(np.linalg.norm(there - [root, transl, other], axis=-1))
        own, alone, mirrored = np.transpose(gaps) * 1000  # mm
        assert own.min() > 10 and own.max() < 17  # so it is no landmark for our wrist
        assert alone.min() > 80 and mirrored.min() > 160
