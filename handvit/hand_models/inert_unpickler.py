"""Read the structure of a pickle while calling nothing that it names.

A pickle is a program: it names callables and has them called. Here every name on a fixed list
becomes a class of inert records, which only keep their arguments and state, and every other name
is refused. Not even NumPy is called: a forged dtype could make it read arbitrary memory;
``inert_arrays`` computes what such records stand for.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

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
        "__builtin__.bytes",
        "__builtin__.object",
        "__builtin__.set",
        "builtins.bytes",
        "builtins.object",
        "builtins.set",
        "_codecs.encode",
    }
)
#: Opcodes that say where in the memo an object is kept.
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
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


def load_inert(content: bytes, *, where: Path | str, packages: tuple[str, ...] = ()) -> Any:
    """Return a pickle's content with an ``InertRecord`` for each object in it.

    Strings of Python 2 pickles are read as latin1, which keeps their bytes.

    Args:
        where: names the pickle in messages.
        packages: what is inside them may be named too, such as ``("scipy.sparse.",)``.

    Raises:
        ValueError: the pickle names something that is not on the list, or is no pickle.
    """
    try:
        _check_memo(content)
        return _InertUnpickler(content, packages).load()
    except _RefusedNameError as error:
        raise ValueError(
            f"{where}: refused, because it names {error}, which has no place in such a file;"
            " nothing was executed. Delete it and download it again from its authors"
        ) from error
    except _UNREADABLE as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(f"{where}: not a readable pickle ({problem})") from error


def _check_memo(content: bytes) -> None:
    """Refuse numbers in the memo that counting cannot reach: memory is taken up to the largest."""
    stream = io.BytesIO(content)
    while code := stream.read(1):
        opcode = pickletools.code2op[code.decode("latin1")]
        if opcode.arg is pickletools.stringnl:  # its reader wants ASCII
            stream.readline()
        elif opcode.arg is not None:
            argument = opcode.arg.reader(stream)
            if opcode.name in _PUTS and argument > len(content):
                raise pickle.UnpicklingError(f"{opcode.name} {argument} in {len(content)} bytes")
        if opcode.name == "STOP":
            return


class _RefusedNameError(pickle.UnpicklingError):
    """A pickle named a callable that is not on the list."""


class _InertUnpickler(pickle.Unpickler):
    """Resolve names on the list; the base class would import whatever the file says."""

    def __init__(self, content: bytes, packages: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._packages = packages

    def find_class(self, module: str, name: str) -> Any:
        origin = f"{module}.{name}"
        if origin in _RECONSTRUCTORS:
            return _reconstruct_record
        if origin in _INERT_NAMES or module.startswith(self._packages):
            return type(name, (InertRecord,), {"origin": origin})
        raise _RefusedNameError(origin)


def _reconstruct_record(record_class: type, base: type, state: Any) -> InertRecord:
    """Do for inert records what ``copyreg._reconstructor`` does for any class."""
    if not (isinstance(record_class, type) and issubclass(record_class, InertRecord)):
        raise pickle.UnpicklingError(f"cannot rebuild {record_class!r}")
    return record_class()
