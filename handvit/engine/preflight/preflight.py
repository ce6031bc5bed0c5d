"""Check a whole config at once, before workers, models or trackers start."""

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from handvit.engine.preflight.blocks import walk_blocks
from handvit.engine.preflight.doubts import find_doubts
from handvit.engine.preflight.file_checks import check_files
from handvit.engine.preflight.plain_checks import check_plain_parts
from handvit.engine.preflight.problem import ConfigError, Problem, merge_alike
from handvit.engine.preflight.run_checks import check_run
from handvit.engine.preflight.structure_checks import check_name, check_structure

#: Keys that are looked at; others are the config's own variables.
_USED = frozenset(inspect.signature(Runner.__init__).parameters) | {"runner_type"}
#: Parts whose files the other kind of run needs.
_ONLY_TESTING = ("test_dataloader", "test_evaluator")
_ONLY_TRAINING = ("train_dataloader", "val_dataloader", "val_evaluator")


def check_config(cfg: Config, path: str, *, for_training: bool) -> list[str]:
    """Refuse a config that cannot work, and return what is doubtful, a line each.

    Args:
        cfg: of a whole run.
        path: of the config file, for the messages.
        for_training: or else for a test; files that only the other needs may be missing.

    Raises:
        ConfigError: lists all problems, each with its key, value and fix.
    """
    content = {key: value for key, value in cfg.to_dict().items() if key in _USED}
    problems = find_problems(content) + find_missing(content, for_training=for_training)
    if problems:
        raise ConfigError(path, problems)
    return [f"{path}: {doubt}" for doubt in find_doubts(content)] if for_training else []


def find_problems(content: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with names, arguments and numbers, wherever the config is run."""
    problems = [problem for block in walk_blocks(content) for problem in check_structure(block)]
    runner = check_name("runner_type", content.get("runner_type", "Runner"))
    return merge_alike([*runner, *check_plain_parts(content), *problems])


def find_missing(content: Mapping[str, Any], *, for_training: bool) -> list[Problem]:
    """Return what a run lacks here: parts of the config, and files and folders."""
    unused = _ONLY_TESTING if for_training else _ONLY_TRAINING
    used = {key: value for key, value in content.items() if key not in unused}
    problems = [problem for block in walk_blocks(used) for problem in check_files(block)]
    return merge_alike([*problems, *check_run(content, for_training=for_training)])
