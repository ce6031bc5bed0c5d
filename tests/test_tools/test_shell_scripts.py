"""Start the shell scripts with stand-ins for python and srun: what would they run?"""

import os
import shutil
import subprocess
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
    for name in ("python", "srun"):
        stand_in = tmp_path / name
        stand_in.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
        stand_in.chmod(0o755)

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


def test_slurm_train_asks_a_node_for_no_more_than_the_job_has(run_script):
    words = run_script("slurm_train.sh", "part", "job", "x.py", GPUS="2").stdout.splitlines()
    assert {"--gres=gpu:2", "--ntasks=2", "--ntasks-per-node=2"} <= set(words)
