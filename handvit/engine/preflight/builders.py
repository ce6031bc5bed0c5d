"""Look up what the blocks of a config are built with, and what that takes."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from mmengine.registry import Registry

from handvit import registry as slots

_SLOTS = tuple(slot for slot in vars(slots).values() if isinstance(slot, Registry))


class Arguments(NamedTuple):
    """Tell what a class or function can be called with."""

    required: frozenset[str]
    optional: frozenset[str]
    takes_any: bool = False  # others besides, as ``**settings`` that go who knows where

    @property
    def names(self) -> frozenset[str]:
        """All that have a name."""
        return self.required | self.optional


def find_builder(name: str) -> Callable[..., Any] | None:
    """Return the class or function that a ``type`` names, or None if no slot knows it."""
    return next((found for slot in _SLOTS if (found := slot.get(name)) is not None), None)


def known_names() -> set[str]:
    """Return every ``type`` that a config may have, without scopes."""
    names = set()
    for slot in _SLOTS:
        slot.import_from_location()
        names |= {*slot.module_dict, *slot.parent.module_dict}
    return names


def arguments_of(builder: Callable[..., Any]) -> Arguments:
    """Return what a class or function takes.

    Of a class that passes the rest on to its base, as in ``super().__init__(**settings)``, the
    arguments of the base count too.
    """
    found: dict[str, bool] = {}  # name -> is it required?
    takes_any = False
    for function in _called_for(builder):
        parameters = inspect.signature(function).parameters.values()
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter.default is parameter.empty)
        takes_any = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
        if not takes_any:
            break
    found.pop("self", None)
    required = frozenset(name for name, is_required in found.items() if is_required)
    return Arguments(required, frozenset(found) - required, takes_any)


def _called_for(builder: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Return the initializers of a class and its bases, the class's own first, or the function."""
    if not inspect.isclass(builder) or issubclass(builder, tuple):
        return [builder]  # named tuples have no initializer
    bases = [base for base in builder.__mro__ if base is not object]
    return [base.__init__ for base in bases if "__init__" in base.__dict__]
