from typing import NamedTuple

import pytest
import torch

from handvit.structures import HandPrediction, ManoParams


class Root(NamedTuple):
    root_cam: torch.Tensor


@pytest.mark.parametrize("dims", [(), (2,), (2, 3)])
def test_relative_values_are_minus_the_wrist(dims):
    root_cam = torch.rand(*dims, 3)
    keypoints_rel, vertices_rel = torch.rand(*dims, 21, 3), torch.rand(*dims, 778, 3)
    mano = ManoParams(
        torch.rand(*dims, 3, 3), torch.rand(*dims, 15, 3, 3), torch.rand(*dims, 10), root_cam
    )
    prediction = HandPrediction(
        mano=mano,
        keypoints_cam=keypoints_rel + root_cam[..., None, :],
        vertices_cam=vertices_rel + root_cam[..., None, :],
        root=Root(root_cam),
        pose=torch.rand(*dims, 16, 3, 3),
    )
    assert prediction.root_cam is root_cam
    torch.testing.assert_close(prediction.keypoints_rel, keypoints_rel)
    torch.testing.assert_close(prediction.vertices_rel, vertices_rel)
