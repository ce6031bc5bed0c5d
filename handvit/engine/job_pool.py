"""Run a few programs at a time, each with a log of its own, and leave none behind."""

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

_POLL_SECONDS = 0.2
_PATIENCE = 20.0  # seconds that interrupted programs get to end by themselves


class Job(NamedTuple):
    """Name commands that run one after the other; the first that fails ends the job."""

    name: str
    commands: Sequence[Sequence[str]]
    log: Path  # gets what they print


class FinishedJob(NamedTuple):
    """State how a job ended."""

    job: Job
    code: int  # of the last command that ran; zero when all went well


def run_jobs(
    jobs: Sequence[Job],
    *,
    num_parallel: int,
    environment: Mapping[str, str],
    on_poll: Callable[[], None],
) -> Iterator[FinishedJob]:
    """Run jobs in their order, ``num_parallel`` at a time, and yield each as it ends.

    Commands run in sessions of their own, so that Ctrl-C reaches them only from here and only
    once. When the iteration stops early, by Ctrl-C or otherwise, they are interrupted, and killed
    if they do not end. SIGTERM and SIGHUP count as Ctrl-C meanwhile. Must run in the main thread.

    Args:
        environment: variables in addition to this process's own.
        on_poll: called several times a second.
    """
    waiting = deque(jobs)
    running: list[_RunningJob] = []
    with _ends_as_interrupts():
        try:
            while waiting or running:
                while waiting and len(running) < num_parallel:
                    running.append(_RunningJob(waiting.popleft(), environment))
                for job in [job for job in running if job.has_ended()]:
                    running.remove(job)
                    yield FinishedJob(job.job, job.process.returncode)
                on_poll()
                time.sleep(_POLL_SECONDS)
        finally:
            _stop([job.process for job in running])


class _RunningJob:
    """Hold the process of a job's current command."""

    def __init__(self, job: Job, environment: Mapping[str, str]) -> None:
        self.job = job
        self._environment = {**os.environ, **environment}
        self._commands = deque(job.commands)
        job.log.unlink(missing_ok=True)
        self._start_next()

    def has_ended(self) -> bool:
        """Say whether all commands have ended well, or one has not; start the next if need be."""
        if self.process.poll() is None:
            return False
        _signal(self.process, signal.SIGKILL)  # what it has left behind
        if self.process.returncode == 0 and self._commands:
            self._start_next()
            return False
        return True

    def _start_next(self) -> None:
        with self.job.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._commands.popleft(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )


@contextmanager
def _ends_as_interrupts() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` where the process would end; what it ignores, it goes on to."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    caught = [number for number, handler in before.items() if handler != signal.SIG_IGN]  # nohup
    try:
        for number in caught:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """Interrupt processes with their children, wait, and kill what is left."""
    try:
        for process in processes:
            _signal(process, signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE
        while any(process.poll() is None for process in processes):
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
    finally:  # also when Ctrl-C comes a second time
        for process in processes:
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen, number: int) -> None:
    """Reach all of a group; its leader may have ended before its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
