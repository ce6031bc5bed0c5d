"""Walk through the blocks of a config: what has a ``type``, and what should have one."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from handvit.datasets.mixture_dataset import with_shared

#: Keys whose dicts are values: arguments of other libraries, or what is merged into blocks.
_VALUES = frozenset(
    (
        "clip_grad", "config", "custom_cfg", "init_kwargs", "lora", "paramwise_cfg", "schedule",
        "shared", "statistics",
    )
)  # fmt: skip
#: Keys whose dicts hold named blocks.
_COLLECTIONS = frozenset(("default_hooks", "losses"))


class Block(NamedTuple):
    """Name a part of a config that something is built from, and where it stands."""

    key: str  # dotted, as for --cfg-options
    content: Mapping[str, Any]
    owner: str | None = None  # ``type`` of the block around it, or the collection it is in

    @property
    def type(self) -> str | None:
        """Name of the class; None where it was forgotten."""
        return self.content.get("type")


def walk_blocks(node: Any, key: str = "", owner: str | None = None) -> Iterator[Block]:
    """Yield every block below a node of a config, outer ones first.

    The data sets of a mixture come with what they share. A dict without a ``type`` counts as a
    block if it stands in another one or in a collection, unless it is known to be a value.
    """
    if isinstance(node, Mapping):
        if "type" in node or owner is not None:
            yield Block(key, node, owner)
        owner = node.get("type", owner)
        for name, child in _with_shared_parts(node).items():
            if name in _COLLECTIONS and isinstance(child, Mapping):
                for part, block in child.items():
                    yield from walk_blocks(block, _join(key, f"{name}.{part}"), name)
            elif name not in _VALUES:
                yield from walk_blocks(child, _join(key, name), owner)
    elif isinstance(node, list | tuple):
        for number, child in enumerate(node):
            yield from walk_blocks(child, _join(key, str(number)), owner)


def _with_shared_parts(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "datasets" not in node or not node.get("shared"):
        return node
    parts = [with_shared(dict(part), dict(node["shared"])) for part in node["datasets"]]
    return {**node, "datasets": parts}


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
