"""Watch how much memory tensors take, real or fake ones."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):
    """Add up the storages that are made inside the context, as long as each of them lives.

    What a kernel allocates for itself is not seen.
    """

    def __init__(self, existing: Iterable[Tensor] = ()) -> None:
        """Start at zero bytes.

        Args:
            existing: tensors whose storages do not count, such as weights.
        """
        super().__init__()
        self.num_bytes = 0
        self.peak = 0
        self._known = weakref.WeakSet(tensor.untyped_storage() for tensor in existing)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation and note the new storages among its results."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        self._add(storage.nbytes())
        weakref.finalize(storage, self._add, -storage.nbytes())

    def _add(self, num_bytes: int) -> None:
        self.num_bytes += num_bytes
        self.peak = max(self.peak, self.num_bytes)
