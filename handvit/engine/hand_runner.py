"""Run MMEngine's Runner on CPUs too, and load checkpoints strictly."""

import atexit
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import IterableDataset

from handvit.engine.checkpoints import load_weights, read_checkpoint
from handvit.engine.disk_space import full_disk_is_shortage
from handvit.engine.hooks.hand_checkpoint_hook import HandCheckpointHook
from handvit.engine.interrupts import DeferredSignals, StopRequest
from handvit.engine.rank_agreement import RankAgreement
from handvit.engine.training_stop import DiskShortage, Preempted
from handvit.registry import RUNNERS


@RUNNERS.register_module()
class HandRunner(Runner):
    """MMEngine's Runner with five repairs, each needed with MMEngine 0.10.

    - Several processes without a GPU: it calls ``cuda.set_device`` and passes ``device_ids``.
    - Checkpoints load with ``weights_only=True`` and a message that says what was refused.
    - Weights that are missing, unexpected or misshapen are an error, not a line in the log.
    - Ctrl-C and SIGTERM take effect between two iterations of a training, not in the midst of a
      checkpoint, and for all processes in the same iteration; SIGTERM saves a checkpoint first.
    - A full disk ends all processes alike.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Take what MMEngine's Runner takes."""
        self._signals = DeferredSignals()
        self._num_common_val_batches = 0
        super().__init__(*arguments, **settings)
        self._agreement = RankAgreement(_timeout(self.cfg.get("env_cfg") or {}))

    def train(self) -> nn.Module:
        """Train and return the model.

        Raises:
            KeyboardInterrupt: after the iteration in which Ctrl-C was pressed, or at once when it
                was pressed again.
            Preempted: SIGTERM or SIGUSR1 came, and a checkpoint was saved.
            DiskShortage: a disk is full.
        """
        with self._signals, full_disk_is_shortage(Path(self.work_dir)):
            model = super().train()
            self.stop_if_asked()
            return model

    def stop_if_asked(self) -> None:
        """End the training here if a signal asked any of its processes to.

        All processes must call it at the same place. Between two steps of the optimizer it waits
        for the second one, because checkpoints hold no gradients.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
            Preempted: SIGTERM or SIGUSR1 came; names the checkpoint.
        """
        loop, num_accumulated = self.train_loop, self.optim_wrapper._accumulative_counts
        if loop.iter % num_accumulated and loop.iter < loop.max_iters:
            return
        request = self._agreement.largest(self._signals.request)
        if request == StopRequest.NONE:
            return
        self._signals.forget()
        if request == StopRequest.INTERRUPT:
            raise KeyboardInterrupt
        self._save_and_stop()

    def call_hook(self, fn_name: str, **details: Any) -> None:
        """Call all hooks, and stop for a signal after each batch of a validation."""
        super().call_hook(fn_name, **details)
        if fn_name == "before_val":
            self._num_common_val_batches = self._count_common_val_batches()
        if fn_name == "after_val_iter" and details["batch_idx"] < self._num_common_val_batches:
            self.stop_if_asked()

    def save_checkpoint(self, *arguments: Any, **settings: Any) -> None:
        """Save as MMEngine does, on the first process; all processes must call it.

        Raises:
            DiskShortage: on all processes, if the disk has no room for the checkpoint.
        """
        shortage = None
        try:
            super().save_checkpoint(*arguments, **settings)
        except DiskShortage as error:
            shortage = error
        if self._agreement.largest(shortage is not None):
            raise shortage or DiskShortage("the first process found no room for a checkpoint")

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Start gloo first when there is no GPU, so that MMEngine finds a running group."""
        if self.distributed and not torch.cuda.is_available():
            if self._launcher != "pytorch":
                raise ValueError(
                    f"launcher {self._launcher!r} needs a GPU; on CPUs use --launcher pytorch"
                )
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("gloo", timeout=_timeout(env_cfg))
        super().setup_env(env_cfg)
        if self.distributed:
            atexit.register(_leave_group)

    def get_hooks_info(self) -> str:
        """Return one line; MMEngine writes a hundred, which nobody reads at each start."""
        return ", ".join(type(hook).__name__ for hook in self.hooks)

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Leave the start to ``RunSummaryHook``; the config is in a file of the work dir."""

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

    def _save_and_stop(self) -> NoReturn:
        """Save a checkpoint of this very iteration if there is none, and end the training."""
        self.call_hook("before_preemption")
        hooks = [hook for hook in self.hooks if isinstance(hook, HandCheckpointHook)]
        saved = [hook.save_if_new(self) for hook in hooks]
        where = f"saved {saved[0]}" if saved else "saved nothing, for want of a HandCheckpointHook"
        raise Preempted(f"asked to end after iteration {self.iter}: {where}")

    def _count_common_val_batches(self) -> int:
        """Return after how many batches of a validation processes can be asked together.

        The length of a stream says nothing about the batches of each process.
        """
        if not self._signals.is_active:
            return 0
        if self.world_size == 1:
            return sys.maxsize
        loader = self.val_dataloader
        is_stream = isinstance(loader.dataset, IterableDataset)
        return self._agreement.smallest(0 if is_stream else len(loader))

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


def _timeout(env_cfg: dict[str, Any]) -> timedelta | None:
    """Return how long processes wait for each other, as MMEngine reads it from the config."""
    seconds = env_cfg.get("dist_cfg", {}).get("timeout")
    return seconds and timedelta(seconds=seconds)


def _leave_group() -> None:
    """Close the connections at the end of the program; torch warns where that is missed."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
