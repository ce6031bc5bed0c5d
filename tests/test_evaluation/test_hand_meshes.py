import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.evaluation.hand_meshes import HandMeshes, scatter_vertex_errors, vertex_errors
from handvit.evaluation.summary import VertexErrors
from handvit.hand_models.mano_assets import load_hand_asset, save_hand_asset
from handvit.hand_models.mano_layer import ManoLayer
from handvit.structures import ManoParams


@pytest.fixture(scope="module")
def meshes() -> HandMeshes:
    return HandMeshes({"type": "handvit.ManoLayer", "source": "openhand"})


def random_mano(num_hands: int) -> ManoParams:
    rotations = Rotation.random(num_hands * 16, random_state=0).as_matrix()
    rotations = torch.as_tensor(rotations).reshape(num_hands, 16, 3, 3)
    return ManoParams(
        rotations[:, 0],
        rotations[:, 1:],
        torch.randn(num_hands, 10, dtype=torch.float64),
        torch.randn(num_hands, 3, dtype=torch.float64),
    )


def test_each_side_has_its_own_layer(meshes):
    mano, is_right = random_mano(3), torch.tensor([True, False, True])
    vertices = meshes.vertices_cam(mano, is_right)
    assert vertices.shape == (3, 778, 3) and vertices.dtype == torch.float64
    for i, side in enumerate(is_right.tolist()):
        layer = ManoLayer(is_right=side).double()
        mesh = layer(mano.global_orient[i], mano.hand_pose[i], mano.betas[i])
        assert torch.allclose(vertices[i], mesh.vertices_rel + mano.root_cam[i])
    assert meshes.identity == ManoLayer().identity


def test_a_left_layer_that_is_not_named_is_built_when_needed(tmp_path):
    right_only = tmp_path / "RIGHT.npz"
    save_hand_asset(load_hand_asset("openhand"), right_only)
    lazy = HandMeshes({"type": "handvit.ManoLayer", "source": str(right_only)})
    with pytest.raises(ValueError, match=r"RIGHT\.npz"):
        lazy.layer(is_right=False)


def test_a_missing_file_is_found_out_at_once():
    right = {"type": "handvit.ManoLayer"}
    missing = {"type": "handvit.ManoLayer", "source": "nowhere.npz"}
    with pytest.raises(ValueError, match=r"nowhere\.npz"):
        HandMeshes(missing)
    with pytest.raises(ValueError, match=r"nowhere\.npz"):
        HandMeshes(right, left_hand_model=missing)


def test_vertex_errors_by_hand():
    gt = torch.randn(4, 778, 3, dtype=torch.float64) * 0.05
    root = torch.zeros(4, 3, dtype=torch.float64)
    pred = 1.1 * gt + torch.tensor([0.0, 0.0, 0.02])
    errors = vertex_errors(pred, root + torch.tensor([0.0, 0.0, 0.02]), gt, root)
    assert np.allclose(errors.cam, (pred - gt).norm(dim=-1).mean(dim=-1))
    assert np.allclose(errors.rel, 0.1 * gt.norm(dim=-1).mean(dim=-1))
    assert errors.aligned.max() < 1e-12 and errors.valid.all()


def test_scattered_errors_are_valid_where_they_belong():
    some = VertexErrors(*(np.array([1.0, 2.0]) for _ in range(3)), valid=np.ones(2, dtype=bool))
    full = scatter_vertex_errors(some, np.array([False, True, False, True]))
    assert full.cam.tolist() == [0, 1, 0, 2]
    assert full.valid.tolist() == [False, True, False, True]


def test_predicted_left_hands_are_mirrored_right_hands(meshes):
    mano, is_right = random_mano(2), torch.tensor([False, True])
    vertices = meshes.predicted_vertices_cam(mano, is_right)
    right = ManoLayer().double()
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    mirror = torch.diag(flip)
    mesh = right(
        mirror @ mano.global_orient[0] @ mirror, mirror @ mano.hand_pose[0] @ mirror, mano.betas[0]
    )
    assert torch.allclose(vertices[0], mesh.vertices_rel * flip + mano.root_cam[0])
    assert torch.allclose(vertices[1], meshes.vertices_cam(mano, is_right)[1])
