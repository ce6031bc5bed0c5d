"""State one thing that is wrong with a config."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """Say where it is, what stands there, what is wrong with it, and what to do."""

    key: str  # dotted, as for --cfg-options
    value: Any  # None where nothing stands
    wrong: str
    fix: str

    def __str__(self) -> str:
        value = repr(self.value)
        stands = "" if self.value is None else f"={value if len(value) <= 100 else '...'}"
        return f"{self.key}{stands}: {self.wrong}; {self.fix}"


class ConfigError(ValueError):
    """Report all problems of a config, one a line."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))


def check_names(
    key: str,
    content: Mapping[str, Any],
    unknown: Iterable[str],
    offered: Collection[str],
    owner: str,
) -> Iterator[Problem]:
    """Yield names that an owner does not know, each with what was probably meant."""
    for name in sorted(unknown):
        yield Problem(
            f"{key}.{name}",
            content[name],
            f"{owner} has no argument {name!r}",
            suggest(name, offered, f"it has {', '.join(sorted(offered)) or 'none'}"),
        )


def suggest(name: str, names: Collection[str], otherwise: str) -> str:
    """Ask whether a similar name was meant; without one, say something else."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else otherwise


def merge_alike(problems: Iterable[Problem]) -> list[Problem]:
    """Make one problem of those that differ in their keys only, as when a file is missing."""
    merged: dict[tuple[str, ...], Problem] = {}
    for problem in problems:
        alike = (repr(problem.value), problem.wrong, problem.fix)
        first = merged.get(alike)
        keys = f"{first.key}, {problem.key}" if first else problem.key
        merged[alike] = problem._replace(key=keys)
    return list(merged.values())
