"""Go from a command line to a config that a Runner can be built from."""

import difflib
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

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
        ValueError: a top-level key looks misspelt, or an option cannot work.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"config {path}: no such file")
    cfg = Config.fromfile(path, lazy_import=False)
    known = _known_keys()
    _check_options(options or {}, cfg, known)
    cfg.merge_from_dict(options or {})
    _check_top_level(cfg, known, path)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(path).stem)
    return cfg


def explain(error: Exception) -> str:
    """Return what is wrong with a command or a config, one problem a line, without a traceback."""
    return "\n".join(f"error: {line}" for line in str(error).splitlines())


def is_first_process() -> bool:
    """Say whether launchers started this process as the first one; before any group exists."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0


def _known_keys() -> set[str]:
    return {*inspect.signature(Runner.__init__).parameters, *_BESIDE_RUNNER} - {"self", "cfg"}


def _check_options(options: dict[str, Any], cfg: Config, known: set[str]) -> None:
    for key, value in options.items():
        if key.split(".")[0] not in {*cfg.keys(), *known}:
            raise ValueError(f"--cfg-options {key}: the config has no {key.split('.')[0]!r}")
        if isinstance(value, str) and value.startswith(("{", "dict(")):
            raise ValueError(
                f"--cfg-options {key}={value}: dicts cannot be given here; set each entry, as in"
                f" {key}.name=value"
            )


def _check_top_level(cfg: Config, known: set[str], path: str) -> None:
    """Refuse a key that is nearly one of the Runner's; other names are the config's variables."""
    for key in cfg.keys() - known:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
        if close:
            raise ValueError(f"config {path}: unknown key {key!r}; did you mean {close[0]!r}?")
