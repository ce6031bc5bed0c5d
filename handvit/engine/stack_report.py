"""Collect the stacks of all threads of this process and of the processes that it forked.

The standard library's ``faulthandler`` writes them even where Python itself hangs in C code.
"""

import faulthandler
import multiprocessing
import os
import signal
import tempfile
import time

_ANSWER_TIME = 1.0  # seconds until a process that does not answer is left out
_POLL = 0.02  # seconds


class StackReport:
    """Ask for stacks; make it before the processes that shall answer are forked.

    They inherit the handler of SIGUSR2 and the file that it writes to.
    """

    def __init__(self) -> None:
        """Prepare this process, and those that it will fork."""
        # All of them append to it, as long as they live.
        self._file = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115
        faulthandler.register(signal.SIGUSR2, self._file, all_threads=True, chain=False)

    def write(self) -> str:
        """Return the stacks, which takes up to a second for a process that does not answer."""
        start = self._size()
        self._file.write(f"threads of process {os.getpid()}:\n".encode())
        faulthandler.dump_traceback(self._file, all_threads=True)
        for process in multiprocessing.active_children():
            self._file.write(f"\nthreads of process {process.pid} ({process.name}):\n".encode())
            os.kill(process.pid, signal.SIGUSR2)
            self._await_answer()
        self._file.seek(start)
        return self._file.read().decode(errors="replace")

    def _await_answer(self) -> None:
        before, deadline = self._size(), time.monotonic() + _ANSWER_TIME
        while self._size() == before and time.monotonic() < deadline:
            time.sleep(_POLL)
        time.sleep(_POLL)  # it is written line by line

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size
