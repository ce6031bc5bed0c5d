"""Compare the blocks of a config with the classes that they name."""

from collections.abc import Iterator

from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.builders import Arguments, arguments_of, find_builder, known_names
from handvit.engine.preflight.problem import Problem, check_names, suggest

#: What owners give to what they build: widths, what it works on, and MMEngine's own parts.
_FROM_OWNER = frozenset(
    (
        "dim", "num_layers", "dataset", "params", "optimizer", "model", "module", "runner",
        "dataloader", "evaluator", "optim_wrapper_cfg", "save_dir", "param_name", "data_batch",
        "clips",
    )
)  # fmt: skip
#: What builders take out of a block before its class sees it.
_FOR_BUILDER = frozenset(
    ("type", "_scope_", "priority", "constructor", "paramwise_cfg", "convert_to_iter_based")
)
#: Packages whose owners are known to give no more than the above.
_KNOWN_OWNERS = ("handvit", "mmengine", "torch")


def check_structure(block: Block) -> Iterator[Problem]:
    """Yield what is wrong with a block's type and arguments."""
    if block.type is None:
        if _is_known(block.owner) and _is_wanted(block):
            yield Problem(
                block.key,
                block.content,
                "has no type, so nothing can be built from it",
                f"correct the name, or choose a class with {block.key}.type",
            )
        return
    builder = find_builder(block.type)
    if builder is None:
        yield from check_name(f"{block.key}.type", block.type)
        return
    arguments = _with_average(arguments_of(builder), block)
    given = block.content.keys() - _FOR_BUILDER
    if not arguments.takes_any:
        offered = arguments.names - _FROM_OWNER
        yield from check_names(
            block.key, block.content, given - arguments.names, offered, block.type
        )
    if _is_known(block.owner):
        for name in sorted(arguments.required - given - _FROM_OWNER):
            yield Problem(f"{block.key}.{name}", None, f"{block.type} needs it", f"give {name}=...")


def check_name(key: str, name: str) -> Iterator[Problem]:
    """Yield a name that nothing is registered under."""
    if find_builder(name) is None:
        otherwise = "import your own classes with custom_imports"
        fix = suggest(name, known_names(), otherwise)
        yield Problem(key, name, "nothing is registered under this name", fix)


def _is_known(owner: str | None) -> bool:
    """Say whether all is known that an owner gives to its parts, and which of them are blocks.

    Classes of a project may do with the dicts that they get what they like.
    """
    builder = owner and find_builder(owner)
    return not builder or builder.__module__.split(".")[0] in _KNOWN_OWNERS


def _is_wanted(block: Block) -> bool:
    """Say whether a block's owner takes it; if not, that is another problem of the owner."""
    builder, name = find_builder(block.owner), block.key.rpartition(".")[2]
    return builder is None or name.isdigit() or name in arguments_of(builder).names


def _with_average(arguments: Arguments, block: Block) -> Arguments:
    """Add what MMEngine's EMAHook hands on to the class of the average."""
    if "ema_type" not in arguments.names:
        return arguments
    average = find_builder(block.content.get("ema_type", "ExponentialMovingAverage"))
    if average is None:
        return arguments
    optional = arguments.optional | arguments_of(average).names
    return Arguments(arguments.required, optional, takes_any=False)
