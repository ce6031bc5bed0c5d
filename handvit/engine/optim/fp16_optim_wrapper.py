"""Train under float16 autocast with a loss scale, on CPUs too."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from handvit.engine.autocast import autocast
from handvit.registry import OPTIM_WRAPPERS

_SCALER = "loss_scaler"  # MMEngine's name for it in checkpoints


@OPTIM_WRAPPERS.register_module()
class FP16OptimWrapper(OptimWrapper):
    """Autocast to float16, for GPUs without bfloat16; MMEngine's ``AmpOptimWrapper`` refuses CPUs.

    The loss is multiplied by a scale before the backward pass, lest small gradients become zero,
    and gradients are divided by it before they are clipped (Micikevicius et al., Mixed Precision
    Training, 2018, section 3.2). A step whose gradients overflow is left out and halves the scale;
    ``growth_interval`` steps in a row without overflow double it. The scale is logged and belongs
    to the state that checkpoints keep.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        init_scale: float = 2.0**16,
        growth_interval: int = 2000,
        **settings: Any,
    ) -> None:
        """Take what MMEngine's wrapper takes.

        Args:
            optimizer: moves float32 weights.
            init_scale: of the loss, a power of two.
            growth_interval: steps of the optimizer.
            settings: ``clip_grad`` and ``accumulative_counts``.
        """
        super().__init__(optimizer, **settings)
        device = torch.device(get_device()).type
        self.loss_scaler = torch.amp.GradScaler(
            device, init_scale=init_scale, growth_interval=growth_interval
        )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast for one forward pass."""
        with super().optim_context(model), autocast("float16"):
            yield

    def backward(self, loss: Tensor, **options: Any) -> None:
        """Add the gradients of the scaled loss."""
        super().backward(self.loss_scaler.scale(loss), **options)

    def step(self, **options: Any) -> None:
        """Divide gradients by the scale, clip them, and make the step unless one overflowed."""
        self.message_hub.update_scalar("train/grad_scale", self.loss_scaler.get_scale())
        self.loss_scaler.unscale_(self.optimizer)
        if self.clip_grad_kwargs:
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **options)
        self.loss_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and the scaler's."""
        return {**super().state_dict(), _SCALER: self.loss_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken, also from a training in another precision."""
        state_dict = dict(state_dict)
        scaler = state_dict.pop(_SCALER, None)
        super().load_state_dict(state_dict)
        if scaler is None:
            print_log(
                "checkpoint: was not trained in float16; the loss scale begins at"
                f" {self.loss_scaler.get_scale():.0f}",
                logger="current",
                level=logging.WARNING,
            )
        else:
            self.loss_scaler.load_state_dict(scaler)
