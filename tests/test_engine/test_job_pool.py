import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from handvit.engine import job_pool
from handvit.engine.job_pool import Job, run_jobs


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(job_pool, "_POLL_SECONDS", 0.01)


def job(folder: Path, name: str, *scripts: str) -> Job:
    commands = [["sh", "-c", script] for script in scripts]
    return Job(name, commands, folder / f"{name}.log")


def run(jobs: list[Job], *, num_parallel: int = 2, on_poll=lambda: None, **environment: str):
    finished = run_jobs(jobs, num_parallel=num_parallel, environment=environment, on_poll=on_poll)
    return {job.name: code for job, code in finished}


def test_commands_run_in_turn_and_print_to_the_log(tmp_path):
    one = job(tmp_path, "one", "sleep 0.05; echo first $WORD", "echo second >&2")
    one.log.write_text("of an earlier run\n")
    assert run([one], WORD="hello") == {"one": 0}
    assert one.log.read_text() == "first hello\nsecond\n"


def test_a_failure_ends_its_job_and_no_other(tmp_path):
    bad = job(tmp_path, "bad", "exit 3", f"touch {tmp_path}/never")
    good = job(tmp_path, "good", "true", f"touch {tmp_path}/made")
    assert run([bad, good], num_parallel=1) == {"bad": 3, "good": 0}
    assert (tmp_path / "made").exists() and not (tmp_path / "never").exists()


def test_so_many_run_at_a_time(tmp_path):
    """Each job notes how many are running beside it."""
    script = f"touch {tmp_path}/$$; sleep 0.1; ls {tmp_path} | grep -vc log; rm {tmp_path}/$$"
    jobs = [job(tmp_path, f"job{number}", script) for number in range(5)]
    assert set(run(jobs, num_parallel=2).values()) == {0}
    counts = [int(one.log.read_text()) for one in jobs]
    assert max(counts) == 2


def test_the_caller_hears_of_a_finished_job_while_others_run(tmp_path):
    fast, slow = job(tmp_path, "fast", "true"), job(tmp_path, "slow", "sleep 60")
    finished = run_jobs([slow, fast], num_parallel=2, environment={}, on_poll=lambda: None)
    assert next(finished).job.name == "fast"
    finished.close()


@pytest.mark.parametrize("patience", [20.0, 0.2])
def test_an_interrupt_leaves_no_process_behind(tmp_path, patience, monkeypatch):
    """The child's own child gets the signal, too; who does not listen is killed."""
    monkeypatch.setattr(job_pool, "_PATIENCE", patience)
    listens = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('heard')"
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    code = listens if patience > 1 else deaf
    pid, log = tmp_path / "pid", tmp_path / "job.log"
    script = f'import os; open(r"{pid}", "w").write(str(os.getpid())); exec("""{code}""")'
    one = Job("job", [[sys.executable, "-c", script]], log)

    def interrupt() -> None:
        if pid.exists() and pid.read_text():
            time.sleep(0.1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            [one, job(tmp_path, "waiting", f"touch {tmp_path}/never")],
            num_parallel=1,
            on_poll=interrupt,
        )
    _wait_for_the_end_of(pid)
    assert (log.read_text() == "heard\n") == (patience > 1)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_this_process_ends_its_programs(tmp_path, number):
    """As Ctrl-C would; afterwards the signal means again what it did."""
    before = signal.getsignal(number)
    one = job(tmp_path, "one", f"echo $$ > {tmp_path}/pid; exec sleep 60")

    def end() -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        run([one], on_poll=end)
    _wait_for_the_end_of(tmp_path / "pid")
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """``nohup`` must go on to work."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        one = job(tmp_path, "one", "sleep 0.1")
        assert run([one], on_poll=lambda: os.kill(os.getpid(), signal.SIGHUP)) == {"one": 0}
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_what_a_program_leaves_behind_is_killed(tmp_path, is_interrupted):
    """Its leader has ended, of the interrupt or by itself, and a deaf child goes on."""
    child, wait = tmp_path / "child", "exec sleep 60" if is_interrupted else "exit 0"
    script = f"(trap '' INT; exec sleep 60) & echo $! > {child}; sleep 0.1; {wait}"

    def interrupt() -> None:
        if is_interrupted and child.exists() and child.read_text():
            time.sleep(0.3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) if is_interrupted else nullcontext():
        assert run([job(tmp_path, "leader", script)], on_poll=interrupt) == {"leader": 0}
    _wait_for_the_end_of(child)


def test_programs_cannot_wait_for_a_keyboard(tmp_path):
    assert run([job(tmp_path, "reads", "read line")]) == {"reads": 1}


def _wait_for_the_end_of(pid: Path) -> None:
    deadline = time.monotonic() + 10
    while _is_running(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return not state.stdout.strip().startswith("Z") and state.stdout.strip() != ""
