"""Look for the files that a config names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handvit.datasets.shards.dataset_info import INFO_FILE
from handvit.datasets.token_cache.token_cache_info import INFO_FILE as CACHE_FILE
from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.problem import Problem
from handvit.hand_models.mano_assets import OPENHAND

_DATA = "make it with a converter (docs/data.md), or tools/misc/make_synthetic.py"
_MANO = (
    "get MANO from https://mano.is.tue.mpg.de and run `python tools/misc/setup_mano.py PATH`, or"
    " use source='openhand'"
)


def check_files(block: Block) -> Iterator[Problem]:
    """Yield what a block names and is not there."""
    content = block.content
    for name, check in _CHECKS.items():
        value = content.get(name)
        if isinstance(value, str):
            wrong, fix = check(content, value)
            if wrong:
                yield Problem(f"{block.key}.{name}", value, wrong, fix)


def _check_data_root(content: Any, value: str) -> tuple[str, str]:
    if not Path(value).is_dir():
        return "no such folder", _DATA
    if not (Path(value) / INFO_FILE).is_file():
        return f"holds no {INFO_FILE}, so it is no data set or an unfinished one", _DATA
    return "", ""


def _check_pretrained(content: Any, value: str) -> tuple[str, str]:
    if (Path(value) / "config.json").is_file():
        return "", ""
    name = Path(value).name
    return (
        "no Hugging Face model (config.json and weights) is there",
        f"put one there, such as with `hf download ORGANISATION/{name} --local-dir {value}`",
    )


def _check_statistics(content: Any, value: str) -> tuple[str, str]:
    if Path(value).is_file():
        return "", ""
    return (
        "no such file",
        f"measure the training data: `python tools/misc/compute_statistics.py ROOT --out {value}`",
    )


def _check_source(content: Any, value: str) -> tuple[str, str]:
    if content["type"] != "ManoLayer" or value == OPENHAND or Path(value).is_file():
        return "", ""
    return "no such file", _MANO


def _check_root(content: Any, value: str) -> tuple[str, str]:
    if content["type"] != "CachedTokenDataset" or (Path(value) / CACHE_FILE).is_file():
        return "", ""
    return f"holds no {CACHE_FILE}", "write it with tools/misc/cache_tokens.py"


_CHECKS = {
    "data_root": _check_data_root,
    "pretrained": _check_pretrained,
    "statistics": _check_statistics,
    "source": _check_source,
    "root": _check_root,
}
