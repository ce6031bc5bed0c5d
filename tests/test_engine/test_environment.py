import subprocess
from pathlib import Path

import torch

import handvit
from handvit.engine.environment import describe_code, describe_commit, describe_machine


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


def test_commit_and_changes_are_told(tmp_path):
    file = tmp_path / "code.py"
    file.touch()
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "somebody else's")
    assert describe_commit(file) == "no git checkout"  # as a package inside of another checkout
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    clean = describe_commit(file)
    assert clean.startswith("commit ") and len(clean.split()[1]) == 12
    (tmp_path / "data").touch()
    assert describe_commit(file) == clean
    file.write_text("x = 1")
    assert describe_commit(file) == f"{clean} with uncommitted changes"


def test_code_outside_a_checkout_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_commit(tmp_path / "code.py") == "no git checkout"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_commit(Path(handvit.__file__)) == "no git checkout"


def test_versions_and_devices_are_named(monkeypatch):
    assert f"torch {torch.__version__}" in describe_code() and "Python 3." in describe_code()
    assert describe_machine(2).startswith("2 x ")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    assert "2 x A100 (CUDA " in describe_machine(2)
