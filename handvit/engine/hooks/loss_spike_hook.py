"""Tell which samples made the loss jump."""

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.registry import HOOKS
from handvit.structures import HandBatch, HandCrops

_COUNT = "train/spikes"  # without "loss" in its name, as MMEngine would log an average of it
_STD_PER_MAD = 1.4826  # of a normal distribution


@HOOKS.register_module()
class LossSpikeHook(Hook):
    """Warn of a loss far above the recent ones; the training goes on.

    Far is meant robustly, so that earlier spikes do not hide later ones: by the median and the
    median absolute deviation (Hampel, 1974). It reads the history of ``train/loss``, floats that
    MMEngine has fetched from the device already, and so continues in a resumed run.
    """

    priority = "BELOW_NORMAL"  # after the hook that records the loss

    def __init__(self, *, window: int = 200, threshold: float = 10.0) -> None:
        """Set what is a spike.

        Args:
            window: iterations to compare with; nothing is judged before there are so many.
            threshold: standard deviations above the median, each at least a twentieth of it.
        """
        self.window = window
        self.threshold = threshold

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: HandBatch | HandCrops | None = None,
        outputs: object = None,
    ) -> None:
        """Judge this iteration's loss."""
        losses, _ = runner.message_hub.get_scalar("train/loss").data
        *recent, loss = losses[-self.window - 1 :]
        if len(recent) < self.window or not is_spike(loss, np.array(recent), self.threshold):
            return
        hub = runner.message_hub
        count = hub.get_scalar(_COUNT).current() if _COUNT in hub.log_scalars else 0
        hub.update_scalar(_COUNT, count + 1)
        runner.logger.warning(
            f"iteration {runner.iter + 1}: loss {loss:.4g}, typical is {np.nanmedian(recent):.4g};"
            f" samples {', '.join(data_batch.labels.sample_id)}"
        )


def is_spike(loss: float, recent: np.ndarray, threshold: float) -> bool:
    """Compare a loss with those before it, (N,); what is not finite counts on neither side."""
    recent = recent[np.isfinite(recent)]
    if not (np.isfinite(loss) and len(recent)):
        return False
    median = np.median(recent)
    deviation = _STD_PER_MAD * np.median(np.abs(recent - median))
    return bool(loss > median + threshold * max(deviation, 0.05 * abs(median)))
