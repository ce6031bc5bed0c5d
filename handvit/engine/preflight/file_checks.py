"""Look for the files that a config names."""

from collections.abc import Iterator
from pathlib import Path

from handvit.datasets.shards.dataset_info import INFO_FILE, DatasetInfo
from handvit.datasets.token_cache.token_cache_info import INFO_FILE as CACHE_FILE
from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.problem import Problem
from handvit.hand_models.mano_assets import OPENHAND

#: Names of the tools in tools/dataset_converters/, which data folders are named for.
CONVERTERS = (
    "arctic", "assemblyhands", "coco_wholebody", "cs_vit2", "dexycb", "freihand", "handgraph",
    "ho3d", "hot3d", "interhand26m", "rhd",
)  # fmt: skip
_MANO = (
    "get MANO from https://mano.is.tue.mpg.de and run `python tools/misc/setup_mano.py PATH`, or"
    " use source='openhand'"
)


def check_files(block: Block) -> Iterator[Problem]:
    """Yield what a block names and is not there."""
    for name, check in _CHECKS.items():
        value = block.content.get(name)
        if isinstance(value, str):
            for wrong, fix in check(block, value):
                yield Problem(f"{block.key}.{name}", value, wrong, fix)


def _check_data_root(block: Block, root: str) -> Iterator[tuple[str, str]]:
    if not Path(root).is_dir():
        yield "no such folder", _how_to_make(root)
    elif not (Path(root) / INFO_FILE).is_file():
        yield f"holds no {INFO_FILE}, so it is no finished data set", _how_to_make(root)
    else:
        try:
            DatasetInfo.load(root)
        except ValueError as error:
            yield str(error), _how_to_make(root)


def _how_to_make(root: str) -> str:
    """Name the command that makes a data set, as far as its folder's name tells."""
    parts = Path(root).parts
    if "quickstart" in parts:
        return "`bash tools/quickstart.sh` begins with making it"
    for name in CONVERTERS:
        if any(part == name or part.startswith(f"{name}_") for part in parts):
            command = f"python tools/dataset_converters/{name}.py SRC {root} --split SPLIT"
            return f"make it with `{command}`, see docs/data.md"
    return f"make it with `python tools/misc/make_synthetic.py {root}` or a converter, docs/data.md"


def _check_pretrained(block: Block, folder: str) -> Iterator[tuple[str, str]]:
    root = Path(folder)
    has_weights = any(root.glob("*.safetensors")) or any(root.glob("pytorch_model*.bin"))
    if not (root / "config.json").is_file() or not has_weights:
        yield (
            "no Hugging Face model, which is config.json and *.safetensors, is there",
            f"put one there, as with `hf download ORGANISATION/{root.name} --local-dir {folder}`",
        )


def _check_statistics(block: Block, path: str) -> Iterator[tuple[str, str]]:
    if not Path(path).is_file():
        command = f"python tools/misc/compute_statistics.py DATA_ROOT ... --out {path}"
        yield "no such file", f"measure the training data: `{command}`"


def _check_source(block: Block, path: str) -> Iterator[tuple[str, str]]:
    if block.type == "ManoLayer" and path != OPENHAND and not Path(path).is_file():
        yield "no such file", _MANO


def _check_root(block: Block, root: str) -> Iterator[tuple[str, str]]:
    if block.type == "CachedTokenDataset" and not (Path(root) / CACHE_FILE).is_file():
        yield f"holds no {CACHE_FILE}", "write it with tools/misc/cache_tokens.py"


#: Argument -> what must be true of it; each check yields what is wrong and the fix.
_CHECKS = {
    "data_root": _check_data_root,
    "pretrained": _check_pretrained,
    "statistics": _check_statistics,
    "source": _check_source,
    "root": _check_root,
}
