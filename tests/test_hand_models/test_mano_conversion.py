from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from smplx.body_models import MANO

from handvit.hand_models import ManoLayer
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_assets import HandAsset, load_hand_asset
from handvit.hand_models.mano_conversion import (
    add_mean_pose,
    pca_to_axis_angle,
    remove_mean_pose,
    root_to_transl,
    rotate_global_orient,
    transl_to_root,
)


@pytest.fixture(scope="module", params=[True, False], ids=["right", "left"])
def asset(request) -> HandAsset:
    return load_hand_asset("openhand", is_right=request.param)


def smplx_mano(asset: HandAsset, **settings) -> MANO:
    """Build smplx's MANO, which other people's annotations were made with."""
    data = SimpleNamespace(
        v_template=asset.v_template,
        shapedirs=asset.shapedirs,
        posedirs=asset.posedirs,
        J_regressor=asset.j_regressor,
        weights=asset.weights,
        f=asset.faces,
        kintree_table=np.array([asset.parents, range(16)]),
        hands_mean=asset.hands_mean,
        hands_components=asset.hands_components,
    )
    return MANO("", is_rhand=asset.is_right, data_struct=data, dtype=torch.float64, **settings)


def our_wrist_and_vertices(
    asset: HandAsset, global_orient: np.ndarray, hand_pose: np.ndarray, betas: np.ndarray
) -> torch.Tensor:
    matrices = Rotation.from_rotvec(np.stack([global_orient, *hand_pose.reshape(15, 3)]))
    matrix = torch.from_numpy(matrices.as_matrix())
    layer = ManoLayer(is_right=asset.is_right).double()
    return layer(matrix[0], matrix[1:], torch.from_numpy(betas)).vertices_rel.numpy()


@pytest.mark.parametrize("num_coefficients", [6, 45])
def test_camera_space_mesh_equals_smplx(asset, num_coefficients):
    """All conversions at once: PCA, mean pose and translation as smplx defines them."""
    rng = np.random.default_rng(0)
    global_orient, transl = rng.normal(size=3), rng.normal(size=3)
    coefficients, betas = rng.normal(size=num_coefficients), rng.normal(size=10)
    if num_coefficients == 45:  # smplx then takes plain axis-angle instead
        settings = {"use_pca": False}
        coefficients = 0.2 * coefficients
        hand_pose = add_mean_pose(coefficients, asset)
    else:
        settings = {"num_pca_comps": num_coefficients}
        hand_pose = add_mean_pose(pca_to_axis_angle(coefficients, asset), asset)
    expected = smplx_mano(asset, **settings)(
        **{
            name: torch.from_numpy(value)[None]
            for name, value in {
                "global_orient": global_orient,
                "hand_pose": coefficients,
                "betas": betas,
                "transl": transl,
            }.items()
        }
    )
    vertices_rel = our_wrist_and_vertices(asset, global_orient, hand_pose, betas)
    root_cam = transl_to_root(transl, betas, asset)
    np.testing.assert_allclose(
        vertices_rel + root_cam, expected.vertices[0].detach().numpy(), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_round_trips_and_shapes(asset, leading):
    rng = np.random.default_rng(0)
    transl, betas = rng.normal(size=(*leading, 3)), rng.normal(size=(*leading, 10))
    root = transl_to_root(transl, betas, asset)
    assert root.shape == (*leading, 3)
    np.testing.assert_allclose(root_to_transl(root, betas, asset), transl)
    pose = rng.normal(size=(*leading, 45))
    np.testing.assert_allclose(remove_mean_pose(add_mean_pose(pose, asset), asset), pose)
    assert pca_to_axis_angle(pose[..., :6], asset).shape == (*leading, 45)


def test_transl_is_not_the_wrist(asset):
    offset = transl_to_root(np.zeros(3), np.zeros(10), asset)
    expected = asset.j_regressor[0].astype(np.float64) @ asset.v_template
    np.testing.assert_allclose(offset, expected, atol=1e-12)
    assert np.linalg.norm(offset) > 0.09


def test_mean_pose_is_added_not_subtracted(asset):
    np.testing.assert_array_equal(add_mean_pose(np.zeros(45), asset), asset.hands_mean)
    np.testing.assert_array_equal(remove_mean_pose(np.zeros(45), asset), -asset.hands_mean)


def test_components_are_rows(asset):
    second = np.eye(6)[1]
    np.testing.assert_allclose(pca_to_axis_angle(second, asset), asset.hands_components[1])


def test_too_many_coefficients(asset):
    with pytest.raises(ValueError, match="46 pose coefficients"):
        pca_to_axis_angle(np.zeros(46), asset)


def test_a_change_of_frame_moves_parameters_like_the_mesh(asset):
    rng = np.random.default_rng(3)
    rotation, translation = (
        Rotation.from_rotvec(rng.normal(0, 1, 3)).as_matrix(),
        rng.normal(0, 1, 3),
    )
    orient, pose, betas = rng.normal(0, 1, 3), rng.normal(0, 0.3, 45), rng.normal(0, 1, 10)
    root = rng.normal(0, 0.5, 3)
    pair = HandPair.load("openhand")
    labels = dict(hand_pose=pose, betas=betas)
    old = pair.pose(asset.is_right, global_orient=orient, root=root, **labels).vertices
    new = pair.pose(
        asset.is_right,
        global_orient=rotate_global_orient(orient, rotation),
        root=rotation @ root + translation,
        **labels,
    ).vertices
    np.testing.assert_allclose(new, old @ rotation.T + translation, atol=1e-6)


def test_rotating_keeps_leading_dimensions():
    orient = np.random.default_rng(0).normal(0, 1, (2, 5, 3))
    np.testing.assert_allclose(rotate_global_orient(orient, np.eye(3)), orient, atol=1e-12)
