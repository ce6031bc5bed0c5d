"""Say how fast a training is, and whether it waits for its data."""

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.registry import HOOKS


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Log ``samples_per_s`` of all processes, and ``data_share``, what part of it is waiting.

    Both are of the last ``window`` iterations, from the times that ``IterTimerHook`` has taken; the
    device is not asked for anything.
    """

    priority = "NORMAL"  # behind IterTimerHook, before LoggerHook

    def __init__(self, *, window: int = 50) -> None:
        """Set over how many iterations to average."""
        self.window = window

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Compute both."""
        hub = runner.message_hub
        seconds, waiting = (
            float(np.sum(hub.get_scalar(f"train/{name}").data[0][-self.window :]))
            for name in ("time", "data_time")
        )
        num_iterations = min(self.window, len(hub.get_scalar("train/time").data[0]))
        num_samples = runner.train_dataloader.batch_size * runner.world_size * num_iterations
        hub.update_scalar("train/samples_per_s", num_samples / seconds)
        hub.update_scalar("train/data_share", waiting / seconds)
