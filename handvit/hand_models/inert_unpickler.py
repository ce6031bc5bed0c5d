"""Read the structure of a pickle while calling nothing that it names.

A pickle is a program: it names callables and has them called. Here every name on a fixed list
becomes a class of inert records, which only keep their arguments and state, and every other name
is refused. Not even NumPy is called: a forged dtype could make it read arbitrary memory.
"""

import pickle
from pathlib import Path
from typing import Any

#: Packages whose classes MANO's files hold: arrays that compute themselves, sparse matrices.
_INERT_PACKAGES = ("chumpy.", "scipy.sparse.")
_INERT_NAMES = frozenset(
    {
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.core.numeric._frombuffer",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "__builtin__.object",
        "__builtin__.set",
        "builtins.object",
        "builtins.set",
        "_codecs.encode",
    }
)
_RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor")
#: What the standard library raises on damaged or hostile pickles.
_UNREADABLE = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError,
    ValueError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip


class InertRecord:
    """Stand for an object that the pickle wanted built: what was asked for, with what."""

    origin: str  # full name of the callable
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> "InertRecord":
        record = super().__new__(cls)
        record.arguments = arguments
        record.state = None
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load_inert(path: Path) -> Any:
    """Return a pickle's content with an ``InertRecord`` for each object in it.

    Strings of Python 2 pickles are read as latin1, which keeps their bytes.

    Raises:
        ValueError: the file names something that is not on the list, or is no pickle.
    """
    try:
        with open(path, "rb") as file:
            return _InertUnpickler(file, encoding="latin1").load()
    except _RefusedNameError as error:
        raise ValueError(
            f"{path}: refused, because it names {error}, which has no place in such a file;"
            " nothing was executed. Delete it and download it again from its authors"
        ) from error
    except _UNREADABLE as error:
        raise ValueError(f"{path}: not a readable pickle ({error!r})") from error


class _RefusedNameError(pickle.UnpicklingError):
    """A pickle named a callable that is not on the list."""


class _InertUnpickler(pickle.Unpickler):
    """Resolve names on the list; the base class would import whatever the file says."""

    def find_class(self, module: str, name: str) -> Any:
        origin = f"{module}.{name}"
        if origin in _RECONSTRUCTORS:
            return _reconstruct_record
        if origin in _INERT_NAMES or module.startswith(_INERT_PACKAGES):
            return type(name, (InertRecord,), {"origin": origin})
        raise _RefusedNameError(origin)


def _reconstruct_record(record_class: type, base: type, state: Any) -> InertRecord:
    """Do for inert records what ``copyreg._reconstructor`` does for any class."""
    if not (isinstance(record_class, type) and issubclass(record_class, InertRecord)):
        raise pickle.UnpicklingError(f"cannot rebuild {record_class!r}")
    return record_class()
