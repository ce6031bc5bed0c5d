"""End a process that does not move any more, after it has said where it hangs."""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from handvit.engine.stack_report import StackReport
from handvit.engine.training_stop import Stall

_STDERR = 2
_MAX_INTERVAL = 5.0  # seconds between two looks
_GRACE = 60.0  # seconds for this thread to report, beyond what the watched one has

# A forked process would wait forever for faulthandler's thread, which it has not, if it were to
# watch as well; the watching thread soon arms it again in this one.
os.register_at_fork(before=faulthandler.cancel_dump_traceback_later)


class Progress(NamedTuple):
    """State what the main thread does, and since when."""

    doing: str
    patience: float  # seconds that it may take
    start: float  # monotonic time, seconds


class StallWatch:
    """Watch the main thread from another one, as long as that is needed.

    Should even this thread hang, because C code does not let go of the interpreter, then
    ``faulthandler`` ends the process (with exit code 1) and writes all stacks to stderr.
    """

    def __init__(self, stacks: StackReport, *, path: Path, describe: Callable[[], str]) -> None:
        """Set what is written when nothing moves.

        Args:
            stacks: of whom.
            path: file for the report, beside stderr.
            describe: tells what was being done; called by the watching thread.
        """
        self._stacks = stacks
        self._path = path
        self._describe = describe
        self._end = threading.Event()

    def start(self, doing: str, patience: float, *, is_needed: Callable[[], bool]) -> None:
        """Begin to watch.

        Args:
            doing: what happens now.
            patience: seconds that it may take.
            is_needed: asked by the watching thread, which ends when it is not.
        """
        self.note(doing, patience)
        watch = threading.Thread(
            target=self._watch, args=(is_needed,), name="watchdog", daemon=True
        )
        watch.start()

    def note(self, doing: str, patience: float) -> None:
        """Say that something else happens from now on."""
        self.progress = Progress(doing, patience, time.monotonic())

    def stop(self) -> None:
        """Watch no more."""
        self._end.set()

    def _watch(self, is_needed: Callable[[], bool]) -> None:
        while not self._end.is_set() and is_needed():
            doing, patience, start = self.progress
            faulthandler.dump_traceback_later(patience + _GRACE, exit=True, file=_STDERR)
            if time.monotonic() - start > patience:
                self._give_up(doing, time.monotonic() - start)
            self._end.wait(min(_MAX_INTERVAL, patience / 10))
        faulthandler.cancel_dump_traceback_later()

    def _give_up(self, doing: str, seconds: float) -> None:
        """Write the report, first to stderr: the disk may be what does not answer."""
        report = (
            f"\n{doing}: nothing has moved for {seconds:.0f} s; {self._describe()}. The process"
            f" ends with exit code {Stall.code}; add --resume to go on. The stacks tell where it"
            f" hangs:\n{self._stacks.write()}"
        )
        sys.stderr.write(report)
        sys.stderr.flush()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(report)
        os._exit(Stall.code)  # the main thread hangs; nothing else would end it
