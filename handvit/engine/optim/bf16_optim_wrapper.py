"""Train under bfloat16 autocast, on CPUs too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from handvit.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """Autocast to bfloat16, whose range needs no loss scaling.

    MMEngine's ``AmpOptimWrapper`` refuses CPUs.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast for one forward pass."""
        device_type = torch.device(get_device()).type
        with super().optim_context(model), torch.autocast(device_type, dtype=torch.bfloat16):
            yield
