"""Start the shell scripts with stand-ins for python and srun: what would they run?"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "tools").rglob("*.sh"), ROOT / ".ci" / "run"])
TOO_FEW = {
    "dist_train.sh": ["x.py"],
    "dist_test.sh": ["x.py", "x.pth"],
    "slurm_train.sh": ["p", "j"],
}

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def run_script(tmp_path):
    """Run a script with stand-ins that print their arguments, one a line."""
    for name in ("python", "srun", "sbatch"):
        _write_program(tmp_path / name, 'printf "%s\\n" "$@"')

    def run(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        environment = {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PYTHON": str(tmp_path / "python"),
            **variables,
        }
        command = ["bash", str(ROOT / "tools" / name), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    return run


def _write_program(path: Path, code: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{code}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_is_executable_strict_and_valid(script):
    assert os.access(script, os.X_OK)
    assert "\nset -euo pipefail\n" in script.read_text()
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


@pytest.mark.parametrize("name", TOO_FEW)
def test_too_few_arguments_print_the_usage(run_script, name):
    result = run_script(name, *TOO_FEW[name])
    assert result.returncode == 2
    assert result.stderr.startswith("usage:")
    assert result.stdout == ""


@pytest.mark.parametrize("count", ["0", "two", "-1"])
def test_number_of_gpus_must_be_a_number(run_script, count):
    assert run_script("dist_train.sh", "x.py", count).returncode == 2
    assert run_script("dist_test.sh", "x.py", "x.pth", count).returncode == 2


def test_setup_takes_no_arguments(run_script):
    assert run_script("setup_env.sh", "--help").returncode == 2


def test_dist_train_starts_one_process_per_gpu(run_script):
    words = run_script("dist_train.sh", "x.py", "2", "--work-dir", "a b").stdout.splitlines()
    assert words[:2] == ["-m", "torch.distributed.run"]
    assert {"--nnodes=1", "--node_rank=0", "--nproc_per_node=2"} <= set(words)
    assert words[-6:] == [
        str(ROOT / "tools" / "train.py"),
        *["x.py", "--launcher", "pytorch", "--work-dir", "a b"],
    ]


def test_dist_train_reads_the_machines_from_the_environment(run_script):
    variables = {"NNODES": "3", "NODE_RANK": "1", "MASTER_ADDR": "first", "PORT": "29600"}
    words = run_script("dist_train.sh", "x.py", "8", **variables).stdout.splitlines()
    expected = ["nnodes=3", "node_rank=1", "master_addr=first", "master_port=29600"]
    assert {f"--{word}" for word in expected} <= set(words)


def test_dist_train_gives_processes_time_to_save(run_script, tmp_path):
    _write_program(tmp_path / "python", 'echo "$TORCH_ELASTIC_SHUTDOWN_TIMEOUT"')
    assert run_script("dist_train.sh", "x.py", "2").stdout == "120\n"
    variables = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "90"}
    assert run_script("dist_train.sh", "x.py", "2", **variables).stdout == "90\n"


def test_dist_train_restarts_on_one_machine_only(run_script):
    words = run_script("dist_train.sh", "x.py", "2", MAX_RESTARTS="3").stdout.splitlines()
    assert "--max_restarts=3" in words
    result = run_script("dist_train.sh", "x.py", "2", MAX_RESTARTS="3", NNODES="2")
    assert result.returncode == 2
    assert "MAX_RESTARTS=3: works on one machine only" in result.stderr


# Stands in for tools/train.py: an iteration after SIGTERM, then a checkpoint that takes its time.
_SLOW_SAVER = """
import signal, sys, time
from datetime import timedelta
from pathlib import Path
import torch
import torch.distributed as dist
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
dist.init_process_group("gloo", timeout=timedelta(seconds=30))
rank, total = dist.get_rank(), torch.tensor(1)
dist.all_reduce(total)
Path(f"started_{rank}").write_text(f"{int(total)}")
while not asked:
    time.sleep(0.05)
time.sleep(1)
Path(f"saved_{rank}").touch()
dist.barrier()
sys.exit(143)
"""


@pytest.fixture
def two_machines(tmp_path):
    """Start dist_train.sh twice with two processes each, as on machines 127.0.0.2 and 127.0.0.1."""
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(ROOT / "tools" / "dist_train.sh", tools)
    (tools / "train.py").write_text(_SLOW_SAVER)
    command = ["bash", str(tools / "dist_train.sh"), "x.py", "2"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        port = str(probe.getsockname()[1])
    machines = {"NNODES": "2", "MASTER_ADDR": "127.0.0.2", "PORT": port, "PYTHON": sys.executable}
    launchers = [
        subprocess.Popen(
            command,
            env={**os.environ, **machines, "NODE_RANK": str(number)},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (0, 1)
    ]
    yield launchers
    for launcher in launchers:
        launcher.kill()
        launcher.communicate()


def test_dist_train_joins_machines_and_lets_them_save_after_sigterm(two_machines, tmp_path):
    names = [f"{{}}_{rank}" for rank in range(4)]
    started = [tmp_path / name.format("started") for name in names]
    deadline = time.monotonic() + 100
    while not all(path.is_file() and path.read_text() == "4" for path in started):
        assert time.monotonic() < deadline
        assert all(launcher.poll() is None for launcher in two_machines)
        time.sleep(0.1)
    for launcher in two_machines:
        launcher.terminate()
    for launcher in two_machines:
        launcher.communicate(timeout=60)
        assert launcher.returncode != 0
    assert all((tmp_path / name.format("saved")).is_file() for name in names)


def test_dist_test_passes_the_checkpoint(run_script):
    words = run_script("dist_test.sh", "x.py", "x.pth", "2", "--out", "y").stdout.splitlines()
    assert words[-7:] == [
        str(ROOT / "tools" / "test.py"),
        *["x.py", "x.pth", "--launcher", "pytorch", "--out", "y"],
    ]


def test_slurm_train_asks_for_the_gpus(run_script):
    variables = {"GPUS": "16", "CPUS_PER_TASK": "9", "SRUN_ARGS": "--time=1:00 --exclusive"}
    words = run_script("slurm_train.sh", "part", "job", "x.py", "-x", **variables)
    words = words.stdout.splitlines()
    asked = ["partition=part", "job-name=job", "gres=gpu:8", "ntasks=16", "ntasks-per-node=8"]
    assert {f"--{word}" for word in [*asked, "cpus-per-task=9", "time=1:00", "exclusive"]} <= set(
        words
    )
    assert words[-4:] == ["x.py", "--launcher", "slurm", "-x"]


def test_slurm_train_warns_the_tasks_before_their_time_is_up(run_script):
    words = run_script("slurm_train.sh", "part", "job", "x.py").stdout.splitlines()
    assert {"--signal=USR1@120", "--label", "--kill-on-bad-exit=1"} <= set(words)


def test_slurm_train_submits_a_job_that_may_return_to_the_queue(run_script):
    variables = {"BATCH": "1", "GPUS": "2", "WARNING_TIME": "60"}
    words = run_script("slurm_train.sh", "part", "a job", "x.py", "--work-dir", "a b", **variables)
    words = words.stdout.splitlines()
    asked = ["partition=part", "job-name=a job", "gres=gpu:2", "signal=B:USR1@60", "requeue"]
    assert {f"--{word}" for word in asked} <= set(words)
    script = ROOT / "tools" / "slurm_train.sh"
    assert words[-1] == rf"--wrap=bash {script} part a\ job x.py --work-dir a\ b "


# Ends as a training does that is asked to by SIGUSR1, or after a while with its own code.
_TASKS = """
trap 'sleep 0.3; exit 143' USR1
printf "%s\\n" "$@" > tasks
for _ in {1..12}; do sleep 0.05; done
exit "$TASKS_CODE"
"""


@pytest.mark.parametrize(
    ("sent", "tasks_code", "code", "returns"),
    [
        (signal.SIGUSR1, 0, 143, True),
        (signal.SIGTERM, 0, 0, False),  # Slurm sends it to the tasks as well; these go on
        (None, 143, 143, False),  # preempted: Slurm returns the job itself
        (None, 1, 1, False),
    ],
)
def test_a_slurm_job_returns_to_the_queue_when_its_time_is_up(
    tmp_path, sent, tasks_code, code, returns
):
    _write_program(tmp_path / "srun", _TASKS)
    _write_program(tmp_path / "scontrol", 'printf "%s\n" "$*" > returned')
    job = subprocess.Popen(
        ["bash", str(ROOT / "tools" / "slurm_train.sh"), "part", "job", "x.py"],
        env={
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "TASKS_CODE": str(tasks_code),
            **{"BATCH": "1", "SLURM_JOB_ID": "17", "SLURM_RESTART_COUNT": "1"},
        },
        cwd=tmp_path,
    )
    while not (tmp_path / "tasks").is_file():
        time.sleep(0.05)
    if sent is not None:
        job.send_signal(sent)
    assert job.wait(timeout=20) == code
    assert (tmp_path / "tasks").read_text().endswith("--launcher\nslurm\n--resume\n")
    returned = tmp_path / "returned"
    assert returned.is_file() == returns
    assert not returns or returned.read_text() == "requeue 17\n"


def test_slurm_train_asks_a_node_for_no_more_than_the_job_has(run_script):
    words = run_script("slurm_train.sh", "part", "job", "x.py", GPUS="2").stdout.splitlines()
    assert {"--gres=gpu:2", "--ntasks=2", "--ntasks-per-node=2"} <= set(words)
