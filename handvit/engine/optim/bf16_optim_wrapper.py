"""Train under bfloat16 autocast, on CPUs too."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from torch import nn

from handvit.engine.autocast import autocast
from handvit.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """Autocast to bfloat16, whose range needs no loss scaling.

    MMEngine's ``AmpOptimWrapper`` refuses CPUs.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast for one forward pass."""
        with super().optim_context(model), autocast("bfloat16"):
            yield
