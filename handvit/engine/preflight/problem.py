"""State one thing that is wrong with a config."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """Say where it is, what stands there, what is wrong with it, and what to do."""

    key: str  # dotted, as for --cfg-options
    value: Any
    wrong: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key}={self.value!r}: {self.wrong}; {self.fix}"


class ConfigError(ValueError):
    """Report all problems of a config, one a line."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
