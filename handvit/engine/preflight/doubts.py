"""Find what works, but is probably not meant."""

from collections.abc import Iterator, Mapping
from typing import Any

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.engine.preflight.blocks import walk_blocks
from handvit.engine.preflight.plain_checks import find_value
from handvit.engine.preflight.problem import Problem

#: Dotted key of an interval -> what happens if it is longer than the training.
_INTERVALS = {
    "train_cfg.val_interval": "validates once only, at the end",
    "default_hooks.checkpoint.interval": "saves one checkpoint only, at the end",
    "default_hooks.logger.interval": "logs nothing on the way",
}


def find_doubts(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what a training without problems would do that its user may not expect."""
    length = find_value(content, "train_cfg.max_iters")
    if length is not None:
        yield from _check_length(content, length)
    batch_size = find_value(content, "train_dataloader.batch_size")
    roots = {block.content.get("data_root") for block in walk_blocks(content["train_dataloader"])}
    num_samples = sum(DatasetInfo.load(root).num_samples for root in roots - {None})
    if batch_size is not None and 0 < num_samples < batch_size:
        yield Problem(
            "train_dataloader.batch_size",
            batch_size,
            "a batch holds the same samples more than once",
            f"the data sets have {num_samples}",
        )


def _check_length(content: Mapping[str, Any], length: int) -> Iterator[Problem]:
    """Compare what is told in iterations with their number."""
    advice = f"train_cfg.max_iters is {length}"
    for key, effect in _INTERVALS.items():
        interval = find_value(content, key)
        if interval is not None and interval > length:
            yield Problem(key, interval, effect, advice)
    schedulers = content.get("param_scheduler") or []
    for number, scheduler in enumerate(schedulers if isinstance(schedulers, list) else []):
        if scheduler.get("end", 0) > length and not scheduler.get("by_epoch", True):
            key, effect = f"param_scheduler.{number}.end", "its schedule is cut off before its end"
            yield Problem(key, scheduler["end"], effect, advice)
