"""Say which code runs on which machine."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

import handvit

_PACKAGES = ("torch", "mmengine", "transformers")


def describe_code() -> str:
    """Return commit and versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{describe_commit()}; Python {platform.python_version()}, {packages}"


def describe_commit(file: Path = Path(handvit.__file__)) -> str:
    """Return the commit of the checkout that a file belongs to, and whether it was changed since.

    A package that was installed into somebody else's checkout belongs to none.
    """
    try:
        _git(file.parent, "ls-files", "--error-unmatch", file.name)
        commit = _git(file.parent, "rev-parse", "--short=12", "HEAD")
        changes = _git(file.parent, "status", "--porcelain", "--untracked-files=no")
    except (FileNotFoundError, subprocess.SubprocessError):
        return "no git checkout"
    return f"commit {commit}{' with uncommitted changes' if changes else ''}"


def describe_machine(num_processes: int) -> str:
    """Return what a run's processes compute on; machines are assumed to be alike."""
    if torch.cuda.is_available():
        device = f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"
    else:
        device = f"CPU with {torch.get_num_threads()} threads"
    return f"{num_processes} x {device}, first on {platform.node()}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    return result.stdout.strip()
