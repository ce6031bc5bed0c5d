"""Run models of any size without memory: shapes are real, numbers are not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses import FakeTensorMode

from handvit.models.hand_pose_estimator import HandPoseEstimator
from handvit.registry import MODELS


@contextmanager
def fake_model(model_cfg: dict[str, Any]) -> Iterator[HandPoseEstimator]:
    """Give the model, in whose context every tensor that is made is fake too.

    It is built on the meta device, as transformers supports, and then moved to a fake CPU, which
    knows autocast and fused attention as a real one does.

    Args:
        model_cfg: of a recipe that ``self_contained`` returned.
    """
    with torch.device("meta"):
        model = MODELS.build(model_cfg)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield model.to_empty(device="cpu")
