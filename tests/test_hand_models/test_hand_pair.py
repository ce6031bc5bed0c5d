import numpy as np
import pytest
import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models import ManoLayer
from handvit.hand_models.hand_pair import HandPair
from handvit.structures.skeleton import FINGERTIP_VERTICES


@pytest.fixture(scope="module")
def pair():
    return HandPair.load("openhand")


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    return dict(
        global_orient=rng.normal(0, 1, (4, 3)),
        hand_pose=rng.normal(0, 0.3, (4, 45)),
        betas=rng.normal(0, 1, (4, 10)),
        root=rng.normal(0, 0.3, (4, 3)),
    )


@pytest.mark.parametrize("is_right", [True, False])
def test_it_poses_like_the_layer_and_moves_the_wrist(pair, labels, is_right):
    mesh = pair.pose(is_right, **labels)
    layer = ManoLayer(is_right=is_right).double()
    orient = axis_angle_to_matrix(torch.from_numpy(labels["global_orient"]))
    pose = axis_angle_to_matrix(torch.from_numpy(labels["hand_pose"]).view(4, 15, 3))
    expected = layer(orient, pose, torch.from_numpy(labels["betas"]))
    np.testing.assert_allclose(mesh.keypoints[:, 0], labels["root"], atol=1e-12)
    moved = expected.vertices_rel.numpy() + labels["root"][:, None]
    np.testing.assert_allclose(mesh.vertices, moved, atol=1e-12)
    assert mesh.keypoints.dtype == np.float64


def test_single_hands_and_batches_agree(pair, labels):
    single = pair.pose(True, **{name: value[2] for name, value in labels.items()})
    np.testing.assert_allclose(single.keypoints, pair.pose(True, **labels).keypoints[2])


def test_the_stock_left_hand_has_the_right_hands_shapes(pair, labels):
    stock = HandPair.load("openhand", stock_left=True)
    right = pair.asset(True).shapedirs
    np.testing.assert_allclose(stock.asset(False).shapedirs[:, 0], right[:, 0], atol=1e-6)
    np.testing.assert_allclose(pair.asset(False).shapedirs[:, 0], -right[:, 0], atol=1e-6)
    gap = stock.pose(False, **labels).vertices - pair.pose(False, **labels).vertices
    assert np.linalg.norm(gap, axis=-1).max() > 1e-3  # metres
    same = stock.pose(True, **labels).vertices - pair.pose(True, **labels).vertices
    assert np.abs(same).max() == 0


def test_left_finger_tips_of_manopth_differ(labels):
    pair = HandPair.load("openhand", fingertips="manopth")
    for is_right, middle in ((True, 444), (False, 445)):
        mesh = pair.pose(is_right, **labels)
        np.testing.assert_array_equal(mesh.keypoints[:, 12], mesh.vertices[:, middle])
        thumb = FINGERTIP_VERTICES["manopth"][0]
        np.testing.assert_array_equal(mesh.keypoints[:, 4], mesh.vertices[:, thumb])


def test_the_residual_is_the_mean_distance_of_valid_keypoints(pair, make_sample):
    sample = make_sample()
    posed = pair.pose_sample(sample).keypoints
    sample.keypoints_cam = posed + np.array([0.003, 0.0, 0.004])
    assert pair.residual(sample) == pytest.approx(0.005)
    sample.keypoints_cam[7] += 1.0
    sample.keypoints_cam_valid[7] = False
    assert pair.residual(sample) == pytest.approx(0.005)
    sample.mano_valid = False
    assert pair.residual(sample) is None


def test_labels_are_what_pose_takes_with_their_residual(pair, make_sample):
    rng = np.random.default_rng(1)
    mano = dict(
        global_orient=rng.normal(0, 1, 3),
        hand_pose=rng.normal(0, 0.3, 45),
        betas=rng.normal(0, 1, 10),
        root=np.array([0.01, 0.02, 0.6]),
    )
    blank = make_sample(track=1)  # a left hand
    blank.mano_valid, blank.mano_residual = False, None
    blank.keypoints_cam = pair.pose(False, **mano).keypoints + np.array([0.0, 0.003, 0.004])
    labelled = pair.label(blank, **mano)
    posed = pair.pose_sample(labelled).vertices
    np.testing.assert_allclose(posed, pair.pose(False, **mano).vertices, atol=1e-12)
    assert labelled.mano_valid and labelled.mano_residual == pytest.approx(0.005)
    assert not blank.mano_valid


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.npz: no such file.*setup_mano\.py"):
        HandPair.load(str(tmp_path))
