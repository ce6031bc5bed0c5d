"""A labelled target, the prediction that meets it, and what changes it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from handvit.hand_models.mano_layer import ManoLayer
from handvit.structures import HandPrediction, HandTarget


class Root(NamedTuple):
    """What a translation head says at least."""

    root_cam: Tensor
    depth_std: Tensor


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
    rotations = torch.cat([labels.mano.global_orient[..., None, :, :], labels.mano.hand_pose], -3)
    return HandPrediction(
        mano=labels.mano,
        keypoints_cam=labels.keypoints_cam,
        vertices_cam=target.vertices_rel + root_cam[..., None, :],
        root=Root(root_cam, torch.zeros(2, 1)),
        pose=rotations,
    )


@pytest.fixture
def relabel() -> Callable[..., HandTarget]:
    """Return ``relabel(target, field=values, ...)``: the target with other labels."""

    def relabel(target: HandTarget, **fields: Tensor) -> HandTarget:
        crops = target.crops
        return target._replace(crops=crops._replace(labels=crops.labels._replace(**fields)))

    return relabel
