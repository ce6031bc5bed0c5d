"""A labelled target, the prediction that meets it, and what changes it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from handvit.hand_models.mano_layer import ManoLayer
from handvit.models.heads.uv_distance_head import UvDistance
from handvit.structures import HandPrediction, HandTarget


@pytest.fixture
def target(make_crops) -> HandTarget:
    """Two hands, one frame, everything labelled."""
    crops = make_crops(2)
    mano = crops.labels.mano
    mesh = ManoLayer()(mano.global_orient, mano.hand_pose, mano.betas)
    return HandTarget(crops, mesh.vertices_rel)


@pytest.fixture
def perfect(target) -> HandPrediction:
    """The prediction that says what the labels say."""
    labels = target.crops.labels
    root_cam = labels.mano.root_cam
    nothing = torch.zeros(2, 1)
    return HandPrediction(
        mano=labels.mano,
        keypoints_cam=labels.keypoints_cam,
        vertices_cam=target.vertices_rel + root_cam[..., None, :],
        root=UvDistance(root_cam, *[nothing] * 5),
    )


@pytest.fixture
def relabel() -> Callable[..., HandTarget]:
    """Return ``relabel(target, field=values, ...)``: the target with other labels."""

    def relabel(target: HandTarget, **fields: Tensor) -> HandTarget:
        crops = target.crops
        return target._replace(crops=crops._replace(labels=crops.labels._replace(**fields)))

    return relabel
