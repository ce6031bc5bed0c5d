"""Check the parts of a config that have no ``type``, because only one thing is built from each."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from handvit.engine.preflight.builders import arguments_of
from handvit.engine.preflight.problem import Problem, check_names

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_OF_LOADER = arguments_of(DataLoader).names | {"num_batch_per_epoch"}
_OF_CLIPPING = arguments_of(clip_grad_norm_).names | arguments_of(clip_grad_value_).names
#: Dotted key -> the names that its entries may have.
_NAMES: dict[str, Set[str]] = {
    **dict.fromkeys(LOADERS, _OF_LOADER),
    "env_cfg": {"cudnn_benchmark", "dist_cfg", "mp_cfg", "resource_limit"},
    "env_cfg.mp_cfg": arguments_of(set_multi_processing).names - {"distributed"},
    "optim_wrapper.clip_grad": _OF_CLIPPING - {"parameters"} | {"type"},
    "randomness": arguments_of(Runner.set_randomness).names,
}
#: Smallest value of what counts something.
_COUNTS = {
    **{f"{loader}.batch_size": 1 for loader in LOADERS},
    **{f"{loader}.num_workers": 0 for loader in LOADERS},
    "train_cfg.max_iters": 1,
    "train_cfg.val_interval": 1,
}


def check_plain_parts(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield names that nothing takes, and numbers that count nothing."""
    for key, names in {**_NAMES, **_part_rates(content)}.items():
        entries = find_value(content, key)
        if isinstance(entries, Mapping):
            yield from check_names(key, entries, entries.keys() - names, names, key)
    for key, least in _COUNTS.items():
        count = find_value(content, key)
        if count is not None and not _is_count(count, least):
            yield Problem(key, count, "is no count", f"give a whole number of at least {least}")


def find_value(content: Mapping[str, Any], key: str) -> Any:
    """Return what stands at a dotted key, or None."""
    node: Any = content
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _part_rates(content: Mapping[str, Any]) -> dict[str, Set[str]]:
    """Return the names for ``PartLRConstructor``: the model's parts have the names of its keys."""
    if find_value(content, "optim_wrapper.constructor") != "PartLRConstructor":
        return {}
    key, parts = "optim_wrapper.paramwise_cfg", content["model"].keys() - {"type"}
    return {
        key: {"part_lr", "layer_decay"},
        f"{key}.part_lr": parts,
        f"{key}.layer_decay": parts,
    }


def _is_count(value: Any, least: int) -> bool:
    """Accept 1e5, too."""
    return isinstance(value, int | float) and value == int(value) >= least
