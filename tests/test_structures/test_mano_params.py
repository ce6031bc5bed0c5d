import torch
from mmengine.model import BaseDataPreprocessor

from handvit.structures import ManoParams


def test_mmengine_moves_it_field_by_field():
    params = ManoParams(
        global_orient=torch.rand(2, 1, 3, 3),
        hand_pose=torch.rand(2, 1, 15, 3, 3),
        betas=torch.rand(2, 1, 10),
        root_cam=torch.rand(2, 1, 3, dtype=torch.float64),
    )
    moved = BaseDataPreprocessor().cast_data(params)
    assert isinstance(moved, ManoParams)
    for name in ("global_orient", "hand_pose", "betas", "root_cam"):
        assert torch.equal(getattr(moved, name), getattr(params, name)), name
    assert moved.root_cam.dtype == torch.float64
