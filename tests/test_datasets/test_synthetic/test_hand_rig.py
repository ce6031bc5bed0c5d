import numpy as np
import torch

from handvit.geometry.rasterizer import vertex_normals
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models import ManoLayer


def _layer_keypoints(hand):
    layer = ManoLayer(is_right=hand.is_right).double()
    orient, pose = axis_angle_to_matrix(hand.global_orient), axis_angle_to_matrix(hand.hand_pose)
    return layer(orient, pose, hand.betas).keypoints_rel + hand.root_cam[:, None]


def test_labels_pose_the_mesh_of_either_side(takes, sequences):
    for take in [*takes[:12], *sequences]:
        torch.testing.assert_close(
            _layer_keypoints(take.hand).float(), take.hand.keypoints_cam, rtol=0, atol=2e-6
        )


def test_mirroring_twice_changes_nothing(takes):
    hand = takes[0].hand
    again = hand.mirrored().mirrored()
    assert again.is_right == hand.is_right
    for one, other in zip(hand[1:], again[1:], strict=True):
        torch.testing.assert_close(one, other)


def test_both_sides_are_drawn(takes):
    assert 10 < sum(take.hand.is_right for take in takes) < 30


def test_labels_are_rounded(takes):
    for label in takes[0].hand[1:5]:
        assert len(f"{abs(label.flatten()[1].item())!r}".partition(".")[2]) <= 6


def test_betas_stay_the_same_in_a_sequence(sequences):
    for take in sequences:
        assert (take.hand.betas == take.hand.betas[0]).all()


def test_dressed_mesh_starts_with_the_hand(generator, takes):
    for take in takes[:12]:
        mesh = generator.rig.dress(take.hand, take.look, take.occluder)
        assert mesh.vertices_cam[:, :778].equal(take.hand.vertices_cam)
        num_vertices = mesh.vertices_cam.shape[1]
        assert mesh.albedo.shape == (num_vertices, 3) and mesh.gloss.shape == (num_vertices,)
        assert mesh.faces.unique().tolist() == list(range(num_vertices))


def test_surfaces_of_both_sides_face_outwards(generator, takes):
    """The volume of hand and forearm is positive: no hand is inside out."""
    for take in takes[:12]:
        mesh = generator.rig.dress(take.hand, take.look, occluder=None)
        vertices = mesh.vertices_cam[0] - mesh.vertices_cam[0].mean(0)
        a, b, c = vertices[mesh.faces].unbind(1)
        assert (a * torch.linalg.cross(b, c)).sum() / 6 > 1e-4  # cubic metres


def test_forearm_continues_the_hand(generator, takes):
    """It leaves the wrist away from the fingers and stays joined to it."""
    for take in takes[:12]:
        mesh = generator.rig.dress(take.hand, take.look, occluder=None)
        elbow = mesh.vertices_cam[0, -16:].mean(0)
        wrist, middle = take.hand.keypoints_cam[0, 0], take.hand.keypoints_cam[0, 9]
        cosine = torch.cosine_similarity(elbow - wrist, wrist - middle, dim=0)
        assert cosine > np.cos(np.radians(60))
        normals = vertex_normals(mesh.vertices_cam, mesh.faces)
        torch.testing.assert_close(normals.norm(dim=-1), torch.ones(normals.shape[:2]))
