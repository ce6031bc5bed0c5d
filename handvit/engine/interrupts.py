"""Let Ctrl-C wait until nothing is half done."""

import signal
import threading
from types import FrameType


class DeferredInterrupt:
    """Hold back the first SIGINT until ``check`` or the end; a second one acts at once.

    An interrupt in the midst of ``torch.save`` comes out as a RuntimeError, and one that reaches
    the data loader's workers, as Ctrl-C does, looks as if they had crashed. Workers that are
    forked inside the block inherit the handler, and so finish what they are asked for.

    Use it as a context manager, again and again. Outside the main thread, where no signal arrives,
    it does nothing.
    """

    def __init__(self) -> None:
        self._is_noted = False

    def __enter__(self) -> "DeferredInterrupt":
        self._is_noted = False
        self._is_active = threading.current_thread() is threading.main_thread()
        if self._is_active:
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._is_active:
            signal.signal(signal.SIGINT, self._previous)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt, once, if a SIGINT was held back."""
        if self._is_noted:
            self._is_noted = False
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.check()
        self._is_noted = True
