"""Compare the blocks of a config with the classes that they name."""

import difflib
import inspect
from collections.abc import Iterator, Set
from typing import Any

from torch.utils.data import DataLoader

from handvit.engine.preflight.blocks import Block, arguments_of, find_class, known_names
from handvit.engine.preflight.problem import Problem

#: What whoever builds a block gives it: widths, what it works on, and MMEngine's own parts.
_FROM_OWNER = frozenset(
    (
        "dim", "num_layers", "dataset", "params", "optimizer", "model", "module", "runner",
        "dataloader", "evaluator", "optim_wrapper_cfg", "save_dir", "param_name",
    )
)  # fmt: skip
#: What builders take out of a block before its class sees it.
_FOR_BUILDER = frozenset(
    ("type", "_scope_", "priority", "constructor", "paramwise_cfg", "convert_to_iter_based")
)


def check_structure(block: Block) -> Iterator[Problem]:
    """Yield what is wrong with a block's type and arguments."""
    name = block.content["type"]
    builder = find_class(name)
    if builder is None:
        yield Problem(
            _join(block.key, "type"),
            name,
            "nothing is registered under this name",
            _suggest(name, known_names(), "import your own classes with custom_imports"),
        )
        return
    arguments, takes_any = arguments_of(builder)
    given = block.content.keys() - _FOR_BUILDER
    if not takes_any:
        yield from _check_keys(block, given, set(arguments), name)
    if inspect.isclass(builder):  # functions get the rest when they are called
        required = {key for key, is_required in arguments.items() if is_required}
        for key in sorted(required - given - _FROM_OWNER):
            yield Problem(_join(block.key, key), None, f"{name} needs it", f"give {key}=...")


def check_loader(block: Block) -> Iterator[Problem]:
    """Yield arguments that no data loader has; its block has no type."""
    arguments, _ = arguments_of(DataLoader)
    yield from _check_keys(block, block.content.keys(), set(arguments), "a data loader")


def _check_keys(block: Block, given: Set[str], allowed: set[str], owner: str) -> Iterator[Problem]:
    for key in sorted(given - allowed):
        names = allowed - _FROM_OWNER
        yield Problem(
            _join(block.key, key),
            _short(block.content[key]),
            f"{owner} has no argument {key!r}",
            _suggest(key, names, f"it has {', '.join(sorted(names))}"),
        )


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _short(value: Any) -> Any:
    """Return what a message can show of a value."""
    return value if len(repr(value)) <= 60 else "..."


def _suggest(name: str, names: set[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else otherwise
