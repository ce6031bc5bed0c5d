"""Put what a training is on one page of its log."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from handvit.analysis.parameters import count_parameters, sum_counts
from handvit.registry import HOOKS

_PACKAGES = ("torch", "mmengine", "transformers")


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Log code, machine, data, model and schedule when a training begins."""

    priority = "LOW"  # behind those that freeze

    def before_train(self, runner: Runner) -> None:
        """Write the page."""
        if is_main_process():
            lines = [f"{title:14}{text}" for title, text in summarize_run(runner)]
            runner.logger.info("\n" + "\n".join(lines))


def summarize_run(runner: Runner) -> list[tuple[str, str]]:
    """Return titles and what there is to say about a training."""
    return [
        ("config", f"{runner.cfg.filename or 'none'}"),
        ("command", " ".join(sys.argv)),
        ("code", _describe_code()),
        ("machine", _describe_machine(runner)),
        *_describe_data("training", runner.train_dataloader.dataset),
        *(_describe_data("validation", runner.val_dataloader.dataset) if runner.val_loop else ()),
        *_describe_model(runner),
        ("batch", describe_batch(runner)),
        ("schedule", _describe_schedule(runner)),
        ("precision", type(runner.optim_wrapper).__name__),
        ("started from", _describe_start(runner)),
        ("work dir", str(runner.work_dir)),
    ]


def effective_batch(runner: Runner) -> int:
    """Return the number of clips behind one step of the optimizer."""
    accumulated = runner.optim_wrapper._accumulative_counts
    return runner.train_dataloader.batch_size * runner.world_size * accumulated


def describe_batch(runner: Runner) -> str:
    """Say how the effective batch comes about."""
    clips = runner.train_dataloader.batch_size
    accumulated = runner.optim_wrapper._accumulative_counts
    return (
        f"{effective_batch(runner)} clips a step: {clips} x {runner.world_size} processes"
        f" x {accumulated} accumulated"
    )


def _describe_code() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{_git_state()}; Python {platform.python_version()}, {packages}"


def _git_state() -> str:
    """Return the commit of this package's checkout, and whether it was changed since."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "--short", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "no git checkout"
    return f"commit {commit}{' with changes' if changed else ''}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _describe_machine(runner: Runner) -> str:
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = f"CPU, {torch.get_num_threads()} threads"
    return f"{runner.world_size} x {device} on {platform.node()}"


def _describe_data(title: str, dataset: Any) -> list[tuple[str, str]]:
    """One line for each data set of a mixture, with its share of the draws."""
    parts = getattr(dataset, "datasets", [dataset])
    shares = getattr(dataset, "weights", [1.0])
    return [
        (title if not number else "", f"{part.metainfo['name']}: {len(part):,} clips, {share:.0%}")
        for number, (part, share) in enumerate(zip(parts, shares, strict=True))
    ]


def _describe_model(runner: Runner) -> list[tuple[str, str]]:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    counts = count_parameters(model)
    counts["all"] = sum_counts(counts.values())
    return [
        ("hand model", model.hand_model.identity),
        *(
            (
                "parameters" if not number else "",
                f"{name:10} {count.total / 1e6:9.3f} M, {count.trainable / 1e6:9.3f} M learn",
            )
            for number, (name, count) in enumerate(counts.items())
        ),
    ]


def _describe_schedule(runner: Runner) -> str:
    loop = runner.train_loop
    clips = runner.train_dataloader.batch_size * runner.world_size * loop.max_iters
    epochs = clips / len(runner.train_dataloader.dataset)
    return (
        f"{loop.max_iters:,} iterations, {clips:,} clips ({epochs:.3g} epochs), validation every"
        f" {loop.val_interval:,}"
    )


def _describe_start(runner: Runner) -> str:
    if runner._resume:
        return f"{runner._load_from}, resumed at iteration {runner.iter}"
    return runner._load_from or "new weights"
