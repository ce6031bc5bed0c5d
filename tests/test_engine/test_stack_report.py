import multiprocessing
import os
import signal
import threading
import time

from handvit.engine.stack_report import StackReport


def _sleep_in_a_thread(event):
    event.wait()


def _sleep_in_a_process(is_ready):
    is_ready.set()
    time.sleep(60)


def test_threads_and_forked_processes_tell_where_they_are():
    report = StackReport()
    event = threading.Event()
    thread = threading.Thread(target=_sleep_in_a_thread, args=(event,))
    thread.start()
    context = multiprocessing.get_context("fork")
    is_ready = context.Event()
    process = context.Process(target=_sleep_in_a_process, args=(is_ready,), name="worker")
    process.start()
    try:
        assert is_ready.wait(20)
        text, again = report.write(), report.write()
    finally:
        event.set()
        thread.join()
        process.kill()
        process.join()
    own, others = text.split(f"threads of process {process.pid} (worker):")
    assert "in _sleep_in_a_thread" in own
    assert "in test_threads_and_forked_processes_tell_where_they_are" in own
    assert "in _sleep_in_a_process" in others
    assert again.count("in _sleep_in_a_process") == 1  # nothing of the first report


def test_a_process_that_does_not_answer_is_left_out():
    report = StackReport()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_sleep_in_a_process, args=(context.Event(),))
    process.start()
    try:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        text = report.write()
    finally:
        process.kill()
        process.join()
    assert text.rstrip().endswith(f"({process.name}):")
