"""Go from a command line to a config that a Runner can be built from."""

import difflib
import inspect
import os
import sys
from pathlib import Path
from traceback import walk_tb
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from handvit.engine.checkpoints import find_latest_checkpoint

_BESIDE_RUNNER = {"runner_type", "sync_bn", "find_unused_parameters", "compile"}


def prepare_environment(local_rank: int) -> None:
    """Set what must be set before configs are read.

    The working directory joins the module path, so that ``custom_imports`` finds a project's
    modules.
    """
    sys.path.append(os.getcwd())
    os.environ.setdefault("LOCAL_RANK", str(local_rank))


def load_config(
    path: str, options: dict[str, Any] | None = None, work_dir: str | None = None
) -> Config:
    """Read a config file, apply ``--cfg-options``, and settle the work dir.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: it or its bases cannot be read, a top-level key looks misspelt, or an option
            cannot work.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"config {path}: no such file")
    cfg = _read(path)
    known = _known_keys()
    for key, value in (options or {}).items():
        _set_option(cfg, key, value, known)
    _check_top_level(cfg, known, path)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(path).stem)
    return cfg


def set_resume(cfg: Config, resume: str) -> bool:
    """Point the config at the checkpoint to continue from, and return whether there is one.

    Args:
        cfg: is changed if there is.
        resume: a file, or ``"auto"`` for the newest one of the work dir, which may have none yet.

    Raises:
        FileNotFoundError: there is no such file.
    """
    start = find_latest_checkpoint(cfg.work_dir) if resume == "auto" else Path(resume)
    if start is None:
        return False
    if not start.is_file():
        raise FileNotFoundError(f"--resume {start}: no such file")
    cfg.resume, cfg.load_from = True, str(start)
    return True


def drop_useless_pinning(cfg: Config) -> None:
    """Let loaders pin memory for a GPU only; without one torch warns at each start of a loader."""
    for key in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if (cfg.get(key) or {}).get("pin_memory") and not torch.cuda.is_available():
            cfg[key].pin_memory = False


def is_users_mistake(error: Exception) -> bool:
    """Say whether our own code refused a config or a file, before training began.

    Its messages say all there is to know. Errors of other code, and of what happens later, need
    their traceback.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    functions = [frame.f_code.co_name for frame in frames]
    has_begun = "run" in functions and "before_train" not in functions  # a loop's, a hook's
    return not has_begun and frames[-1].f_globals["__name__"].startswith("handvit.")


def explain(error: Exception) -> str:
    """Return what is wrong with a command or a config, one problem a line, without a traceback."""
    return "\n".join(f"error: {line}" for line in str(error).splitlines())


def is_first_process() -> bool:
    """Say whether launchers started this process as its machine's first; before any group exists.

    Each machine has files of its own, and may be the only one that lacks some.
    """
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))) == 0


def _read(path: str) -> Config:
    try:
        return Config.fromfile(path, lazy_import=False)
    except (ImportError, OSError, SyntaxError) as error:
        root: BaseException = error  # MMEngine wraps what a custom import lacks, twice
        while root.__context__ is not None:
            root = root.__context__
        raise ValueError(
            f"config {path}: it, one of its _base_ or its custom_imports cannot be read:"
            f" {type(root).__name__}: {root}"
        ) from error


def _known_keys() -> set[str]:
    return {*inspect.signature(Runner.__init__).parameters, *_BESIDE_RUNNER} - {"self", "cfg"}


def _set_option(cfg: Config, key: str, value: Any, known: set[str]) -> None:
    first = key.split(".")[0]
    if first not in {*cfg.keys(), *known}:
        close = difflib.get_close_matches(first, {*cfg.keys(), *known}, n=1, cutoff=0.7)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"--cfg-options {key}: the config has no {first!r}{meant}")
    if isinstance(value, str) and value.startswith(("{", "dict(")):
        raise ValueError(
            f"--cfg-options {key}={value}: dicts cannot be given here; set each entry, as in"
            f" {key}.name=value"
        )
    try:
        cfg.merge_from_dict({key: value})
    except (KeyError, TypeError) as error:  # past the end of a list, or into a number
        raise ValueError(f"--cfg-options {key}={value}: the config has no such place") from error


def _check_top_level(cfg: Config, known: set[str], path: str) -> None:
    """Refuse a key that is nearly one of the Runner's; other names are the config's variables."""
    for key in cfg.keys() - known:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
        if close:
            raise ValueError(f"config {path}: unknown key {key!r}; did you mean {close[0]!r}?")
