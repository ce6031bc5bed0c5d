import torch

from handvit.preprocessing import HandDataPreprocessor
from handvit.structures import HandTarget


def test_target_of_the_last_frame(make_batch):
    preprocessor = HandDataPreprocessor(
        crop_size=32, expand=1.4, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
    crops = preprocessor(make_batch(2, 3))["crops"].last_frame()
    target = HandTarget(crops, torch.zeros(2, 1, 778, 3))
    assert target.crops.labels.keypoints_cam.shape == (2, 1, 21, 3)
    assert target.vertices_rel.shape[:2] == target.crops.crop.shape[:2]
