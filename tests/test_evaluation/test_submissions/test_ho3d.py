import json

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import cKDTree

from handvit.evaluation.submissions.ho3d import Ho3dSubmission, rows_in_list_order, to_opengl
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models.mano_layer import ManoLayer
from handvit.structures.skeleton import KEYPOINT_NAMES

FRAMES = ("SM1/0000", "SM1/0010", "AP10/0003", "MPM11/0200", "AP10/0001")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
#: HO3D's joints by name: MANO's, then the tips.
HO3D_NAMES = (
    "wrist",
    *(f"{finger}{i}" for finger in FINGERS for i in (1, 2, 3)),
    *("thumb4", "index4", "middle4", "ring4", "pinky4"),
)


@pytest.fixture(scope="module")
def hands() -> Ho3dSubmission:
    """One hand a frame, a metre or so away."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, std: float) -> torch.Tensor:
        return std * torch.randn(len(FRAMES), *shape, generator=generator, dtype=torch.float64)

    mesh = ManoLayer().double()(
        axis_angle_to_matrix(normal(3, std=1.0)),
        axis_angle_to_matrix(normal(15, 3, std=0.3)),
        normal(10, std=1.0),
    )
    root = torch.tensor([0.05, -0.1, 0.8]) + normal(1, 3, std=0.05)
    return Ho3dSubmission((mesh.keypoints_rel + root).numpy(), (mesh.vertices_rel + root).numpy())


@pytest.fixture(scope="module")
def truth(hands) -> tuple[list, list]:
    """What evaluation_xyz.json and evaluation_verts.json hold, written by hand."""
    joints = [
        [[x, -y, -z] for x, y, z in (keypoints[KEYPOINT_NAMES.index(name)] for name in HO3D_NAMES)]
        for keypoints in hands.keypoints_cam.tolist()
    ]
    vertices = [[[x, -y, -z] for x, y, z in mesh] for mesh in hands.vertices_cam.tolist()]
    return joints, vertices


@pytest.fixture
def list_path(tmp_path):
    path = tmp_path / "evaluation.txt"
    path.write_text("\n".join(FRAMES) + "\n")
    return path


def sample_ids() -> list[str]:
    return [f"ho3d_v3/{s}/cam0/{n}/right" for s, n in (frame.split("/") for frame in FRAMES)]


def measures(errors: list[np.ndarray]) -> tuple[float, float]:
    """Mean error and area under the PCK curve: of each point over all frames, then of points."""
    errors = np.stack(errors)  # (N, points)
    limits = np.linspace(0.0, 0.05, 100)
    curves = np.stack([(errors <= limit).mean(0) for limit in limits])
    area = trapezoid(curves, limits, axis=0) / trapezoid(np.ones(100), limits)
    return errors.mean(0).mean(), area.mean()


def procrustes(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    target_mean, source_mean = target.mean(0), source.mean(0)
    target_size = np.linalg.norm(target - target_mean)
    target_unit = (target - target_mean) / target_size
    source_unit = (source - source_mean) / np.linalg.norm(source - source_mean)
    rotation, scale = orthogonal_procrustes(target_unit, source_unit)
    return source_unit @ rotation.T * scale * target_size + target_mean


def scale_translation(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Joint 4 of HO3D is the base of the middle finger."""
    factor = np.linalg.norm(target[4] - target[0]) / np.linalg.norm(source[4] - source[0])
    return (source - source[0]) * factor + target[0]


def f_score(target: np.ndarray, source: np.ndarray, limit: float) -> float:
    precision = np.mean(cKDTree(target).query(source)[0] < limit)
    recall = np.mean(cKDTree(source).query(target)[0] < limit)
    return 2 * precision * recall / max(precision + recall, 1e-12)


def score(path, truth) -> dict[str, float]:
    """Do with ``pred.json`` what HO3D's evaluation does."""
    predicted = json.loads(path.read_text())
    assert [len(part) for part in predicted] == [len(FRAMES), len(FRAMES)]
    joints, meshes = (
        [(np.array(target), np.array(source)) for target, source in zip(*parts, strict=True)]
        for parts in zip(truth, predicted, strict=True)
    )
    aligned_meshes = [(target, procrustes(target, source)) for target, source in meshes]
    cases = {
        "xyz": joints,
        "xyz_scale_trans": [(target, scale_translation(target, p)) for target, p in joints],
        "xyz_procrustes": [(target, procrustes(target, p)) for target, p in joints],
        "mesh": meshes,
        "mesh_procrustes": aligned_meshes,
    }
    scores = {}
    for name, pairs in cases.items():
        errors = [np.linalg.norm(target - source, axis=-1) for target, source in pairs]
        scores[f"{name}_mean"], scores[f"{name}_auc"] = measures(errors)
    for limit in (5, 15):  # mm
        for name, pairs in (("f", meshes), ("f_al", aligned_meshes)):
            scores[f"{name}_{limit}"] = np.mean([f_score(*pair, limit / 1000) for pair in pairs])
    return scores


def test_the_truth_as_prediction_is_perfect(hands, truth, list_path, tmp_path):
    """Predictions in any order, through the list, into the file, under HO3D's metrics."""
    shuffled = np.array([3, 0, 4, 2, 1])
    ids = [sample_ids()[row] for row in shuffled]
    rows = rows_in_list_order(ids, list_path)
    submission = Ho3dSubmission(*(array[shuffled][rows] for array in hands))
    submission.save(tmp_path / "out" / "pred.json")
    scores = score(tmp_path / "out" / "pred.json", truth)
    for name in ("xyz", "mesh"):
        assert scores[f"{name}_mean"] == 0 and scores[f"{name}_auc"] == pytest.approx(1)
    for name in ("xyz_scale_trans", "xyz_procrustes", "mesh_procrustes"):
        assert scores[f"{name}_mean"] < 1e-12 and scores[f"{name}_auc"] > 1 - 0.5 / 99 - 1e-12
    for name in ("f_5", "f_15", "f_al_5", "f_al_15"):
        assert scores[name] == 1


def test_these_metrics_tell_a_wrong_joint_order_by_its_joints_alone(hands, truth, tmp_path):
    """Guards the test above, and is how the mistake looks on the server."""
    path = tmp_path / "pred.json"
    vertices = to_opengl(hands.vertices_cam).tolist()
    path.write_text(json.dumps([to_opengl(hands.keypoints_cam).tolist(), vertices]))
    scores = score(path, truth)
    assert scores["mesh_mean"] == 0 and scores["f_5"] == 1
    assert scores["xyz_procrustes_mean"] > 0.01 and scores["xyz_scale_trans_mean"] > 0.01


def test_files_hold_numbers_in_full_and_come_back_the_same(hands, truth, tmp_path):
    path = tmp_path / "pred.json"
    hands.save(path)
    content = json.loads(path.read_text())
    assert content[0] == truth[0] and content[1] == truth[1]
    loaded = Ho3dSubmission.load(path)
    np.testing.assert_array_equal(loaded.keypoints_cam, hands.keypoints_cam)
    np.testing.assert_array_equal(loaded.vertices_cam, hands.vertices_cam)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pred.json"]


def test_files_of_others_are_read(hands, truth, tmp_path):
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(truth, indent=1))
    loaded = Ho3dSubmission.load(path)
    np.testing.assert_array_equal(loaded.keypoints_cam, hands.keypoints_cam)
    np.testing.assert_array_equal(loaded.vertices_cam, hands.vertices_cam)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[[1, 2", "not a readable"),
        ("[]", "not a readable"),
        ("3", "not a readable"),
        ("[[], [], []]", "not a readable"),
        ('[[["a"]], []]', "not a readable"),
        ("[[[[0, 0, -1]]], [[[0, 0, -1]]]]", r"xyz has shape \(1, 1, 3\), want \(N, 21, 3\)"),
        ("[[], []]", r"xyz has shape \(0,\), want"),
        ("[1, 2]", r"xyz has shape \(\), want"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "pred.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"pred\.json: {message}"):
        Ho3dSubmission.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"pred\.json: not a readable .*No such file"):
        Ho3dSubmission.load(tmp_path / "pred.json")


def test_what_cannot_be_hands_is_not_written(hands, tmp_path):
    keypoints, vertices = hands
    path = tmp_path / "pred.json"
    broken = vertices.copy()
    broken[2, 5, 1] = np.nan
    for wrong, message in (
        (Ho3dSubmission(keypoints[:, :16], vertices), r"xyz has shape \(5, 16, 3\), want \(N, 21"),
        (Ho3dSubmission(keypoints, vertices[:4]), r"verts has shape \(4, 778, 3\), want \(N, 778"),
        (Ho3dSubmission(keypoints, broken), "verts .* finite numbers"),
        (Ho3dSubmission(to_opengl(keypoints), to_opengl(vertices)), "no hand lies before the"),
    ):
        with pytest.raises(ValueError, match=rf"pred\.json: {message}"):
            wrong.save(path)
    assert list(tmp_path.iterdir()) == []


def test_axes_of_opencv_in_a_file_are_refused(hands, tmp_path):
    path = tmp_path / "pred.json"
    path.write_text(json.dumps([array.tolist() for array in hands]))
    with pytest.raises(ValueError, match=r"pred\.json: no hand lies before the camera"):
        Ho3dSubmission.load(path)


def test_every_line_of_the_list_needs_its_prediction(list_path):
    ids = sample_ids()
    assert rows_in_list_order(ids, list_path).tolist() == [0, 1, 2, 3, 4]
    assert rows_in_list_order(ids[::-1], list_path).tolist() == [4, 3, 2, 1, 0]
    with pytest.raises(ValueError, match=r"evaluation\.txt: 1 of 5 frames .*'SM1', '0010'"):
        rows_in_list_order([ids[0], *ids[2:]], list_path)
    for surplus in (ids[0], "ho3d_v3/SM1/cam0/0001/right"):
        with pytest.raises(ValueError, match=r"0 of 5 frames .* there are 6 predictions"):
            rows_in_list_order([*ids, surplus], list_path)
