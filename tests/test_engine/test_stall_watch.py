import ctypes
import os
import threading
import time

from handvit.engine import stall_watch
from handvit.engine.stack_report import StackReport
from handvit.engine.stall_watch import StallWatch
from handvit.engine.training_stop import Stall


def _start(tmp_path, patience, is_needed=lambda: True):
    path = tmp_path / "new" / "stall.txt"
    watch = StallWatch(StackReport(), path=path, describe=lambda: "step 7")
    watch.start("testing", patience, is_needed=is_needed)
    return watch


def _exit_code(function, *arguments):
    """Call a function in a child process."""
    child = os.fork()
    if child == 0:
        function(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _watchers():
    return [thread for thread in threading.enumerate() if thread.name == "watchdog"]


def test_a_stall_ends_the_process_with_a_report(tmp_path, capfd):
    def stall():
        _start(tmp_path, patience=0.3)
        time.sleep(60)

    assert _exit_code(stall) == Stall.code
    report = (tmp_path / "new" / "stall.txt").read_text()
    assert "testing: nothing has moved for 0 s; step 7. The process ends" in report
    assert "in stall" in report
    assert report in capfd.readouterr().err


def test_what_moves_goes_on(tmp_path):
    def move():
        watch = _start(tmp_path, patience=0.5)
        for step in range(10):
            time.sleep(0.1)
            watch.note(f"step {step}", 0.5)
        watch.stop()
        time.sleep(1)

    assert _exit_code(move) == 0
    assert not (tmp_path / "new").exists()


def test_it_ends_when_it_is_not_needed(tmp_path):
    _start(tmp_path, patience=60.0, is_needed=lambda: False)
    deadline = time.monotonic() + 20
    while _watchers():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_forked_process_can_watch_too(tmp_path):
    watch = _start(tmp_path, patience=60.0)
    time.sleep(0.1)

    def watch_again():
        _start(tmp_path, patience=60.0).stop()
        time.sleep(0.2)
        os._exit(0 if not _watchers() else 1)

    start = time.monotonic()
    assert _exit_code(watch_again) == 0
    watch.stop()
    assert time.monotonic() - start < 10


def test_code_that_keeps_the_interpreter_is_ended_too(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(stall_watch, "_GRACE", 0.5)

    def hold():
        _start(tmp_path, patience=0.5)
        time.sleep(0.2)
        ctypes.PyDLL(None).sleep(60)  # a PyDLL does not let other threads run

    assert _exit_code(hold) == 1
    printed = capfd.readouterr().err
    assert "Timeout" in printed
    assert "in hold" in printed
