"""Write a training's progress so that it can be read at a glance."""

from datetime import timedelta
from typing import Any

from mmengine.runner import LogProcessor, Runner

from handvit.registry import LOG_PROCESSORS

_FIRST = {"loss": "loss {:.4f}", "lr": "lr {:.2e}"}
_LAST = {
    "samples_per_s": "{:,.1f} samples/s",
    "data_share": "data {:.0%}",
    "memory": "mem {:,} MB",
}
#: Logged as curves, but not in the line: said in other words there, or of no use.
_ONLY_CURVES = frozenset(("base_lr", "data_time", "iter", "time", *_FIRST, *_LAST))


@LOG_PROCESSORS.register_module()
class ProgressLogProcessor(LogProcessor):
    """Begin lines with time left and loss, and end them with speed, waiting and memory.

    ``Iter(train) [  1200/100000]  eta 1:23:45  loss 0.5120  lr 1.00e-04  keypoints_rel 0.0321  ...
    412.3 samples/s  data 3%  mem 21,811 MB``; what is logged as curves is MMEngine's.
    """

    def get_log_after_iter(
        self, runner: Runner, batch_idx: int, mode: str
    ) -> tuple[dict[str, Any], str]:
        """Return scalars, and the line for people."""
        scalars, line = super().get_log_after_iter(runner, batch_idx, mode)
        if mode == "train" and not self.by_epoch:
            eta = runner.message_hub.runtime_info.get("eta")
            line = format_progress(scalars, max_iters=runner.max_iters, eta=eta)
        return scalars, line


def format_progress(scalars: dict[str, Any], *, max_iters: int, eta: float | None) -> str:
    """Format one line.

    Args:
        scalars: what is logged; only ``iter`` must be among it.
        max_iters: length of the training.
        eta: seconds that are left, if that is known.
    """
    iteration = str(scalars["iter"]).rjust(len(str(max_iters)))
    parts = [f"Iter(train) [{iteration}/{max_iters}]"]
    if eta is not None:
        parts.append(f"eta {timedelta(seconds=int(eta))}")
    parts += _format(_FIRST, scalars)
    for name, value in scalars.items():
        if name not in _ONLY_CURVES:
            number = f"{value:.4f}" if isinstance(value, float) else value
            parts.append(f"{name.removeprefix('loss_')} {number}")
    parts += _format(_LAST, scalars)
    return "  ".join(parts)


def _format(formats: dict[str, str], scalars: dict[str, Any]) -> list[str]:
    return [text.format(scalars[name]) for name, text in formats.items() if name in scalars]
