"""Walk through the blocks of a config, and look up what each builds."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.registry import Registry

from handvit import registry as slots
from handvit.datasets.mixture_dataset import with_shared

#: Keys whose dicts are not blocks of ours: arguments of other libraries, or values to be merged.
_FOREIGN = ("config", "init_kwargs", "shared", "statistics", "paramwise_cfg", "custom_cfg")


class Block(NamedTuple):
    """Name a part of a config with a ``type``, and where it stands."""

    key: str  # dotted; empty for the whole config
    content: Mapping[str, Any]


def walk_blocks(node: Any, key: str = "") -> Iterator[Block]:
    """Yield every block below a node of a config, outer ones first.

    The data sets of a mixture come with what they share.
    """
    if isinstance(node, Mapping):
        if isinstance(node.get("type"), str):
            yield Block(key, node)
        if "datasets" in node and node.get("shared"):
            parts = [with_shared(dict(part), dict(node["shared"])) for part in node["datasets"]]
            node = {**node, "datasets": parts}
        for name, child in node.items():
            if name not in _FOREIGN:
                yield from walk_blocks(child, f"{key}.{name}" if key else name)
    elif isinstance(node, list | tuple):
        for number, child in enumerate(node):
            yield from walk_blocks(child, f"{key}.{number}")


def registries() -> list[Registry]:
    """Return all slots of this package."""
    return [slot for slot in vars(slots).values() if isinstance(slot, Registry)]


def find_class(name: str) -> Callable[..., Any] | None:
    """Return what a ``type`` builds, or None if no slot knows it."""
    for slot in registries():
        found = slot.get(name)
        if found is not None:
            return found
    return None


def known_names() -> set[str]:
    """Return every ``type`` that a config may have."""
    names = set()
    for slot in registries():
        slot.import_from_location()
        names |= {*slot.module_dict, *slot.parent.module_dict}
    return names


def arguments_of(builder: Callable[..., Any]) -> tuple[dict[str, bool], bool]:
    """Return the arguments of a class or function, and whether it takes any others besides.

    Each argument comes with whether it is required. Of a class that passes its arguments on to its
    base, as in ``super().__init__(**settings)``, those of the base count too.
    """
    found, classes = {}, inspect.getmro(builder) if inspect.isclass(builder) else (builder,)
    for owner in classes:
        initializer = owner.__dict__.get("__init__") if inspect.isclass(owner) else owner
        if initializer is None:
            continue
        parameters = list(inspect.signature(initializer).parameters.values())
        for parameter in parameters[1:] if inspect.isclass(owner) else parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                is_required = parameter.default is parameter.empty
                found.setdefault(parameter.name, is_required)
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            return found, False
    return found, True
