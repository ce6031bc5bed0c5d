"""Check a whole config at once, before workers, models or trackers start."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from handvit.engine.preflight.blocks import Block, walk_blocks
from handvit.engine.preflight.file_checks import check_files
from handvit.engine.preflight.problem import ConfigError, Problem
from handvit.engine.preflight.structure_checks import check_loader, check_structure

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_ONLY_TRAINING = ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler")
_ONLY_TESTING = ("test_dataloader", "test_cfg", "test_evaluator")


def check_config(cfg: Config, path: str, *, for_training: bool) -> None:
    """Refuse a config that cannot work.

    Args:
        path: of the config file, for the messages.
        for_training: or else for a test; what the other needs is not looked at.

    Raises:
        ConfigError: lists all problems, each with its key, value and fix.
    """
    problems = find_problems(cfg, for_training=for_training)
    if problems:
        raise ConfigError(path, problems)


def find_problems(cfg: Config, *, for_training: bool) -> list[Problem]:
    """Return everything that is wrong: first names and arguments, then files."""
    ignored = _ONLY_TESTING if for_training else (*_ONLY_TRAINING, "val_dataloader")
    content = {key: value for key, value in cfg.to_dict().items() if key not in ignored}
    blocks = list(walk_blocks(content))
    loaders = [Block(key, content[key]) for key in _LOADERS if content.get(key)]
    problems = [problem for block in loaders for problem in check_loader(block)]
    problems += [problem for block in blocks for problem in check_structure(block)]
    problems += [problem for block in blocks for problem in check_files(block)]
    return [*problems, *_check_start(cfg)]


def _check_start(cfg: Config) -> Iterator[Problem]:
    """Look for the checkpoint to start from."""
    start = cfg.get("load_from")
    if start is not None and not Path(start).exists():
        yield Problem(
            "load_from",
            start,
            "no such checkpoint",
            "train it first, or name another with --cfg-options load_from=FILE",
        )
