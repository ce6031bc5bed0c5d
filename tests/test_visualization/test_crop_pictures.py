import numpy as np
import pytest
import torch

from handvit.hand_models.mano_layer import ManoLayer
from handvit.visualization.crop_pictures import (
    CropCamera,
    DrawnHand,
    draw_hand_in_crop,
    draw_pair,
    stack_rows,
    to_picture,
)

SIZE = 96
CAMERA = CropCamera(np.array([200.0, 200.0]), np.array([48.0, 48.0]))


@pytest.fixture(scope="module")
def layer() -> ManoLayer:
    return ManoLayer()


@pytest.fixture
def hand(layer) -> DrawnHand:
    mesh = layer(torch.eye(3)[None], torch.eye(3).expand(1, 15, 3, 3), torch.zeros(1, 10))
    place = torch.tensor([0.0, 0.0, 0.5]) - mesh.keypoints_rel[0, 9]
    keypoints_cam = (mesh.keypoints_rel[0] + place).numpy()
    keypoints_crop = CAMERA[0] * keypoints_cam[:, :2] / keypoints_cam[:, 2:] + CAMERA[1]
    vertices_cam = (mesh.vertices_rel[0] + place).numpy()
    return DrawnHand(CAMERA, keypoints_crop, np.ones(21, bool), keypoints_cam, vertices_cam)


def test_normalisation_is_undone():
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.full((3, 1, 1), 0.25)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    crop = (torch.from_numpy(picture).permute(2, 0, 1) / 255 - mean) / std
    np.testing.assert_array_equal(to_picture(crop, mean, std), picture)


def test_skeleton_and_mesh_lie_over_each_other(hand, layer):
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    drawn = draw_hand_in_crop(black, hand, faces=layer.faces.numpy(), title=["hand"])
    assert drawn.shape == (SIZE, 2 * SIZE, 3)
    mesh = drawn[:, SIZE:].any(-1)
    assert 0.05 < mesh.mean() < 0.9
    inside = [mesh[round(y), round(x)] for x, y in hand.keypoints_crop[[0, 5, 9, 13]]]
    assert all(inside)


def test_a_pair_names_errors_and_what_is_unknown_is_left_out(hand, layer):
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    moved = hand._replace(keypoints_cam=hand.keypoints_cam + np.array([0, 0, 0.05]))
    unknown = hand._replace(keypoints_cam=None, vertices_cam=None)
    shared = dict(faces=layer.faces.numpy(), name="a/b/c/d/right")
    known, without = (
        draw_pair(grey, hand, moved, **shared),
        draw_pair(grey, unknown, moved, **shared),
    )
    assert known.shape == without.shape == (SIZE + 20, 4 * SIZE, 3)
    np.testing.assert_array_equal(without[20:, SIZE : 2 * SIZE], grey)
    assert (known[20:, SIZE : 2 * SIZE] != grey).any()
    assert stack_rows([known, without]).shape[0] > 2 * (SIZE + 20)
