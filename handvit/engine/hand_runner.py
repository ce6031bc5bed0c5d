"""Run MMEngine's Runner on CPUs too, and load checkpoints strictly."""

from typing import Any

import torch
import torch.distributed
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from handvit.engine.checkpoints import load_weights, read_checkpoint
from handvit.engine.interrupts import DeferredInterrupt
from handvit.registry import RUNNERS


@RUNNERS.register_module()
class HandRunner(Runner):
    """MMEngine's Runner with four repairs, each needed with MMEngine 0.10.

    - Several processes without a GPU: it calls ``cuda.set_device`` and passes ``device_ids``.
    - Checkpoints load with ``weights_only=True`` and a message that says what was refused.
    - Weights that are missing, unexpected or misshapen are an error, not a line in the log.
    - Ctrl-C takes effect between two iterations of a training, not in the midst of a checkpoint.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Take what MMEngine's Runner takes."""
        self._interrupt = DeferredInterrupt()
        super().__init__(*arguments, **settings)

    def train(self) -> nn.Module:
        """Train and return the model.

        Raises:
            KeyboardInterrupt: after the iteration in which Ctrl-C was pressed, or at once when it
                was pressed again.
        """
        with self._interrupt:
            return super().train()

    def call_hook(self, fn_name: str, **details: Any) -> None:
        """Call all hooks, and stop for Ctrl-C after those that close an iteration."""
        super().call_hook(fn_name, **details)
        if fn_name in ("after_train_iter", "after_val_iter"):
            self._interrupt.check()

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Start gloo first when there is no GPU, so that MMEngine finds a running group."""
        if self.distributed and not torch.cuda.is_available():
            if self._launcher != "pytorch":
                raise ValueError(
                    f"launcher {self._launcher!r} needs a GPU; on CPUs use --launcher pytorch"
                )
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("gloo")
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Wrap for DDP without device ids when there is no GPU."""
        if self.distributed and not torch.cuda.is_available() and model_wrapper_cfg is None:
            model_wrapper_cfg = dict(
                type="MMDistributedDataParallel",
                device_ids=None,
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get("find_unused_parameters", False),
            )
        return super().wrap_model(model_wrapper_cfg, model)

    def load_checkpoint(
        self,
        filename: str,
        map_location: Any = "cpu",
        strict: bool = True,
        revise_keys: tuple = (),
    ) -> dict[str, Any]:
        """Load weights from a local file; MMEngine's signature, but always strict and on the CPU.

        Only a training that starts from another one's weights may add parts with new weights. The
        file's tensors are copied to wherever the model and the optimizer keep theirs.

        Raises:
            ValueError: the file is refused, or does not fit the model or the run.
        """
        checkpoint = read_checkpoint(filename)
        if self._resume:
            self._check_resumable(checkpoint, filename)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        starts_training = isinstance(self._train_loop, BaseLoop) and not self._resume
        new_parts = load_weights(
            model,
            checkpoint["state_dict"],
            path=filename,
            allow_new_parts=starts_training,
            transformers=checkpoint["meta"].get("transformers"),
        )
        self._has_loaded = True
        fresh = f"; new weights in: {', '.join(new_parts)}" if new_parts else ""
        self.logger.info(f"Loaded checkpoint {filename}{fresh}")
        return checkpoint

    def _check_resumable(self, checkpoint: dict[str, Any], path: str) -> None:
        """Refuse to go on without the optimizer, or from weights that it has not moved."""
        if "optimizer" not in checkpoint:
            raise ValueError(
                f"checkpoint {path}: holds weights only; start a new run with load_from"
            )
        averages = any(isinstance(hook, EMAHook) for hook in self.hooks)
        if "ema_state_dict" in checkpoint and not averages:
            raise ValueError(
                f"checkpoint {path}: holds an average of weights, and the config to resume with has"
                " none; keep its HandEMAHook, or start a new run from it with load_from"
            )
