"""Let signals that ask a process to end wait until nothing is half done."""

import os
import signal
import threading
from enum import IntEnum
from types import FrameType


class StopRequest(IntEnum):
    """Name what a process was asked for; the larger one of several counts."""

    NONE = 0
    INTERRUPT = 1  # Ctrl-C: somebody is looking, and can press it again
    PREEMPTION = 2  # save everything, then end: a scheduler wants the machine back


_REQUESTS = {
    signal.SIGINT: StopRequest.INTERRUPT,
    signal.SIGTERM: StopRequest.PREEMPTION,
    signal.SIGUSR1: StopRequest.PREEMPTION,  # SLURM's --signal=USR1@120 comes before its SIGTERM
}
_ENDING = {number for number, request in _REQUESTS.items() if request == StopRequest.PREEMPTION}


class DeferredSignals:
    """Hold signals back until ``request`` is read, or until the block ends, which delivers them.

    A second Ctrl-C acts at once; a second SIGTERM changes nothing, as somebody may be saving. An
    interrupt in the midst of ``torch.save`` comes out as a RuntimeError, and one that reaches the
    data loader's workers, as Ctrl-C and a scheduler's SIGTERM do, looks as if they had crashed.
    Processes that are forked inside the block finish what they are asked for: of these signals,
    they obey only a SIGTERM from their parent.

    Use it as a context manager, again and again. Outside the main thread, where no signal arrives,
    it does nothing.
    """

    def __init__(self) -> None:
        self._noted: set[int] = set()
        self._previous: dict[int, signal.Handlers] = {}

    def __enter__(self) -> "DeferredSignals":
        self._noted = set()
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _REQUESTS}
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
        if kind is None and self._noted:
            signal.raise_signal(max(self._noted, key=_REQUESTS.get))

    @property
    def is_active(self) -> bool:
        """Say whether signals are held back right now."""
        return bool(self._previous)

    @property
    def request(self) -> StopRequest:
        """Return what the signals ask for that have been held back."""
        return max((_REQUESTS[number] for number in self._noted), default=StopRequest.NONE)

    def forget(self) -> None:
        """Drop what was held back, because the caller now does what it asks for."""
        self._noted = set()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in self._noted:
            self.forget()
            raise KeyboardInterrupt
        self._noted.add(number)


def _are_held_back() -> bool:
    handler = signal.getsignal(signal.SIGTERM)
    return isinstance(getattr(handler, "__self__", None), DeferredSignals)


def _before_fork() -> None:
    """Block what ends a child from its first moment on, as a handler would not learn who sent it.

    Torch sets a handler of its own in workers that can, and that crashes if it was not the parent.
    """
    if _are_held_back():
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def _after_fork_in_parent() -> None:
    if _are_held_back():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _after_fork_in_child() -> None:
    if _are_held_back():
        threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()


def _obey(parent: int) -> None:
    """Wait for the SIGTERM that ``Process.terminate`` and the interpreter's end send."""
    while True:
        received = signal.sigwaitinfo(_ENDING)
        if received.si_signo == signal.SIGTERM and received.si_pid == parent:
            os._exit(0)  # as torch's workers do


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
