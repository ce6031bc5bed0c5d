"""Find the modules that a name or a pattern means."""

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn


def find_modules(model: nn.Module, patterns: Iterable[str], *, key: str) -> list[str]:
    """Return the dotted names of the outermost modules that patterns match, in the model's order.

    Args:
        patterns: names such as ``backbone``, or with the wildcards of ``fnmatch``, such as
            ``backbone.*.layer.[0-5]``; a wildcard also spans dots.
        key: of the config, for messages.

    Raises:
        ValueError: a pattern matches no module; it names those that come close.
    """
    names = [name for name, _ in model.named_modules() if name]
    found = set()
    for pattern in patterns:
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.5)
            raise ValueError(
                f"{key}: the model has no part {pattern!r}; it has"
                f" {', '.join(close or (name for name in names if '.' not in name))}"
            )
        found.update(matched)
    return [name for name in names if name in found and found.isdisjoint(_owners(name))]


def _owners(name: str) -> list[str]:
    """Return the names of the modules around one: ``a`` and ``a.b`` for ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]
