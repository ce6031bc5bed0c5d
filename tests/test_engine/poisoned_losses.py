"""Losses that go wrong where one sample is in the batch; ``custom_imports`` loads them."""

import torch
from torch import nn

from handvit.registry import MODELS


class _Poison(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


@MODELS.register_module()
class NanLoss(nn.Module):
    def __init__(self, *, sample_id):
        super().__init__()
        self.sample_id = sample_id

    def forward(self, pred, target):
        is_bad = self.sample_id in target.crops.labels.sample_id
        return pred.root_cam.square().mean() * (float("nan") if is_bad else 1e-3)


@MODELS.register_module()
class NanConstant(NanLoss):
    """Has no part in the gradients."""

    def forward(self, pred, target):
        return super().forward(pred, target).detach()


@MODELS.register_module()
class NanGradient(NanLoss):
    def forward(self, pred, target):
        is_bad = self.sample_id in target.crops.labels.sample_id
        vertices = pred.vertices_cam
        return 1e-3 * (_Poison.apply(vertices) if is_bad else vertices).square().mean()
