import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.evaluation import mesh_comparison
from handvit.evaluation.hand_meshes import HandMeshes
from handvit.evaluation.mesh_comparison import mesh_errors
from handvit.evaluation.predictions import PredictionFile, PredictionHeader
from handvit.structures import ManoParams

SHIFT = np.array([0.003, 0.0, 0.004])


@pytest.fixture(scope="module")
def meshes() -> HandMeshes:
    return HandMeshes({"type": "handvit.ManoLayer", "source": "openhand"})


@pytest.fixture
def case(truth) -> tuple[PredictionFile, ManoParams]:
    """Right hands predicted 5 mm beside their annotation, left ones too."""
    rng = np.random.default_rng(0)
    orient = Rotation.random(21, random_state=0)
    pose = rng.normal(0, 0.1, (21, 45))
    betas = rng.normal(0, 0.5, (21, 10))
    root_cam = truth.keypoints_cam[:, 0]
    fingers = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(21, 15, 3, 3)
    gt = ManoParams(*map(torch.as_tensor, (orient.as_matrix(), fingers, betas, root_cam)))
    predictions = PredictionFile(
        header=PredictionHeader(hand_model="", config="", checkpoint=""),
        sample_id=truth.sample_id,
        frame_time=truth.frame_time,
        is_right=truth.is_right,
        keypoints_cam=truth.keypoints_cam + SHIFT,
        root_cam=root_cam + SHIFT,
        global_orient=orient.as_rotvec(),
        hand_pose=pose,
        betas=betas,
        focal=truth.focal,
        princpt=truth.princpt,
        bbox_xyxy=truth.bbox_xyxy,
    )
    return predictions, gt


def test_a_shift_is_an_absolute_error(meshes, case, truth, monkeypatch):
    monkeypatch.setattr(mesh_comparison, "_BATCH", 4)
    errors = mesh_errors(meshes, *case, np.ones(21, dtype=bool))
    right = truth.is_right
    assert errors.cam[right] == pytest.approx(0.005)
    assert errors.rel[right].max() < 1e-9 and errors.aligned[right].max() < 1e-9
    assert errors.valid.all()


def test_left_hands_are_compared_with_the_left_model(meshes, case, truth):
    """The open left hand mirrors the right one, so the error is the shift up to rounding."""
    errors = mesh_errors(meshes, *case, np.ones(21, dtype=bool))
    assert errors.cam[~truth.is_right] == pytest.approx(0.005, abs=1e-5)


def test_predictions_are_posed_the_way_the_network_does(meshes, case, monkeypatch):
    def one_metre_away(mano, is_right):
        return HandMeshes.predicted_vertices_cam(meshes, mano, is_right) + 1.0

    monkeypatch.setattr(meshes, "predicted_vertices_cam", one_metre_away)
    assert mesh_errors(meshes, *case, np.ones(21, dtype=bool)).cam.min() > 1.0


def test_hands_without_mesh_labels_are_left_out(meshes, case):
    valid = np.arange(21) < 5
    errors = mesh_errors(meshes, *case, valid)
    assert errors.valid.tolist() == valid.tolist()
    assert (errors.cam[5:] == 0).all()
    assert not mesh_errors(meshes, *case, np.zeros(21, dtype=bool)).valid.any()
