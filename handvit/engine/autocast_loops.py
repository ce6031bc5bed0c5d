"""Validate and test in half precision, where a config asks for it.

MMEngine's loops have ``fp16=True``, which means float16 on GPUs and bfloat16 on CPUs, and computes
in float32 otherwise, whatever is around them.
"""

from typing import Any

import torch
from mmengine.runner import Runner, TestLoop, ValLoop

from handvit.engine.autocast import autocast
from handvit.registry import LOOPS


@LOOPS.register_module()
class AutocastValLoop(ValLoop):
    """Validate under autocast: ``val_cfg = dict(type="AutocastValLoop", dtype="bfloat16")``."""

    def __init__(self, runner: Runner, dataloader: Any, evaluator: Any, *, dtype: str) -> None:
        """Build MMEngine's loop.

        Raises:
            ValueError: see ``autocast``.
        """
        super().__init__(runner, dataloader, evaluator)
        self._autocast = autocast(dtype)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict one batch and compare it with its labels."""
        self.runner.call_hook("before_val_iter", batch_idx=idx, data_batch=data_batch)
        with self._autocast:
            predictions = self.runner.model.val_step(data_batch)
        self.evaluator.process(data_samples=predictions, data_batch=data_batch)
        self.runner.call_hook(
            "after_val_iter", batch_idx=idx, data_batch=data_batch, outputs=predictions
        )


@LOOPS.register_module()
class AutocastTestLoop(TestLoop):
    """Test under autocast: ``test_cfg = dict(type="AutocastTestLoop", dtype="bfloat16")``."""

    def __init__(self, runner: Runner, dataloader: Any, evaluator: Any, *, dtype: str) -> None:
        """Build MMEngine's loop.

        Raises:
            ValueError: see ``autocast``.
        """
        super().__init__(runner, dataloader, evaluator)
        self._autocast = autocast(dtype)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict one batch and compare it with its labels."""
        self.runner.call_hook("before_test_iter", batch_idx=idx, data_batch=data_batch)
        with self._autocast:
            predictions = self.runner.model.test_step(data_batch)
        self.evaluator.process(data_samples=predictions, data_batch=data_batch)
        self.runner.call_hook(
            "after_test_iter", batch_idx=idx, data_batch=data_batch, outputs=predictions
        )
