import numpy as np
import pytest
import torch

from handvit.analysis.plain_crops import plain_crops
from handvit.hand_models.mano_layer import ManoLayer
from handvit.preprocessing import HandDataPreprocessor
from handvit.structures import HandPrediction
from handvit.visualization.drawn_hands import crop_pictures, labelled_hands, predicted_hands

SIZE = 32


@pytest.fixture
def crops():
    crops = plain_crops(3, crop_size=SIZE)
    labels = crops.labels
    mano_valid = torch.tensor([[True], [False], [True]])
    camera_valid = torch.tensor([[True], [True], [False]])
    return crops._replace(labels=labels._replace(mano_valid=mano_valid, camera_valid=camera_valid))


def test_labels_are_drawn_where_they_are_and_left_out_where_not(crops):
    hands = labelled_hands(crops, ManoLayer(), 5)
    assert [hand.vertices_cam is None for hand in hands] == [False, True, False]
    assert [hand.keypoints_cam is None for hand in hands] == [False, False, True]
    np.testing.assert_array_equal(hands[1].keypoints_crop, crops.keypoints_crop[1, 0])
    wrist = hands[0].vertices_cam.mean(0) - crops.labels.mano.root_cam[0, 0].numpy()
    assert np.abs(wrist).max() < 0.2  # metres: the mesh is at its wrist


def test_predictions_are_projected_with_the_camera_of_the_crop(crops):
    points = crops.labels.keypoints_cam
    vertices = points.repeat(1, 1, 38, 1)[:, :, :778]
    prediction = HandPrediction(crops.labels.mano, points, vertices, None, None)
    hands = predicted_hands(prediction, crops, 2)
    assert len(hands) == 2
    np.testing.assert_allclose(hands[0].keypoints_crop, crops.keypoints_crop[0, 0], atol=1e-4)


def test_pictures_are_the_crops(crops):
    preprocessor = HandDataPreprocessor(
        crop_size=SIZE, expand=1.2, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    pictures = crop_pictures(crops, preprocessor, 2)
    assert len(pictures) == 2
    assert pictures[0].shape == (SIZE, SIZE, 3) and (pictures[0] == 128).all()
