import os
import signal
import threading

import pytest

from handvit.engine.interrupts import DeferredInterrupt


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_for_the_check():
    with DeferredInterrupt() as interrupt:
        interrupt.check()
        _interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()


def test_a_second_interrupt_acts_at_once():
    with DeferredInterrupt():
        _interrupt()
        with pytest.raises(KeyboardInterrupt):
            _interrupt()


def test_it_ends_with_its_block_and_can_begin_again():
    before = signal.getsignal(signal.SIGINT)
    interrupt = DeferredInterrupt()
    with pytest.raises(KeyboardInterrupt), interrupt:
        _interrupt()
    assert signal.getsignal(signal.SIGINT) is before
    interrupt.check()  # it was raised already
    with interrupt:
        interrupt.check()


def test_an_error_in_the_block_comes_first():
    interrupt = DeferredInterrupt()
    with pytest.raises(ValueError, match="disk"), interrupt:
        _interrupt()
        raise ValueError("disk")


def test_forked_workers_are_not_stopped_by_the_first_one():
    with DeferredInterrupt():
        child = os.fork()
        if child == 0:
            _interrupt()
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_other_threads_may_use_it():
    problems = []

    def enter() -> None:
        try:
            with DeferredInterrupt() as interrupt:
                interrupt.check()
        except ValueError as error:
            problems.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert not problems
