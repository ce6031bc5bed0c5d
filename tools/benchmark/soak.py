"""Wear a training out: kill it again and again, or watch its memory for a long time.

    python tools/benchmark/soak.py kills [--kills 20] [--seed 0]
    python tools/benchmark/soak.py memory [--iterations 10000]

``kills`` trains a tiny model without a break, then once more with SIGKILL, SIGTERM or SIGINT to its
whole process group at random moments, and SIGKILL in the midst of writing a checkpoint, each time
followed by ``--resume``; at the end weights, their average, optimizer, schedules and the history of
the loss must be equal bit for bit. ``memory`` fits a line to the memory of a training and its
loader's process over time. Both exit with 1 if what they look for went wrong.
"""

import argparse
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handvit.engine import atomic_backend
from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.launch import load_config
from handvit.engine.process_memory import resident_memory

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "tools" / "train.py"
RECIPE = ROOT / "configs" / "demo" / "stage1_tiny.py"
ITERATIONS_PER_KILL = 60
CHECKPOINT_INTERVAL = 20
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STARTUP_SECONDS = 300.0  # within which a training must have begun
END_SECONDS = 60.0  # within which it must have ended after a signal
STILL_ALIVE = "still alive"
MEMORY_TOLERANCE = 5.0  # MB over the whole run
TINY = {
    "model.data_preprocessor.crop_size": 32,
    "model.backbone.config.embedding_size": 8,
    "model.backbone.config.hidden_sizes": [8, 16],
    "model.backbone.config.depths": [1, 1],
    "model.head.decoder.width": 16,
    "model.head.decoder.mlp_dim": 16,
    "model.head.decoder.dropout": 0.2,
    "train_dataloader.batch_size": 4,
    "train_dataloader.num_workers": 1,
    "default_hooks.logger.interval": 5,
}
#: Sums depend on the number of threads. With fixed thresholds glibc gives back what is freed, where
#: it would keep ever more for later, so that what grows is in use.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
HOOKS = [
    dict(type="DropoutWarmupHook", part="head", num_iters=100),
    dict(type="HandEMAHook", momentum=0.01, update_buffers=True),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the two trials, or one life of a training that is to be killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    trials = parser.add_subparsers(dest="trial", required=True)
    kills = trials.add_parser("kills", help="kill and resume")
    kills.add_argument("--kills", type=int, default=20)
    kills.add_argument("--seed", type=int, default=0, help="of the moments and signals")
    kills.set_defaults(run=lambda args, folder: kill_trial(folder, args.kills, args.seed))
    memory = trials.add_parser("memory", help="watch the memory")
    memory.add_argument("--iterations", type=int, default=10_000)
    memory.set_defaults(run=lambda args, folder: memory_trial(folder, args.iterations))
    life = trials.add_parser("life", help="train, and die while the n-th checkpoint is written")
    life.add_argument("number", type=int, metavar="N")
    life.add_argument("train", nargs=argparse.REMAINDER, metavar="...", help="for tools/train.py")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(arguments)
    if args.trial == "life":
        return die_in_save(args.number, args.train)

    with tempfile.TemporaryDirectory() as folder:
        report = args.run(args, Path(folder))
    for name, value in report.items():
        print(f"{name:28} {value}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["passed"] else 1


def write_config(folder: Path, num_iterations: int, checkpoint_interval: int) -> Path:
    """Write a tiny recipe, and render the few hands that it trains on."""
    hands = folder / "hands"
    command = [sys.executable, str(ROOT / "tools" / "misc" / "make_synthetic.py"), str(hands)]
    subprocess.run([*command, "--num-singles", "200"], check=True, capture_output=True)
    cfg = load_config(str(RECIPE))
    cfg.merge_from_dict(TINY)
    cfg.train_cfg.update(max_iters=num_iterations, val_interval=10 * checkpoint_interval)
    cfg.default_hooks.checkpoint.interval = checkpoint_interval
    cfg.custom_hooks = HOOKS
    parts = (*cfg.train_dataloader.dataset.datasets, cfg.val_dataloader.dataset)
    for dataset in (*parts, cfg.test_dataloader.dataset):
        dataset.data_root = str(hands)
    cfg.dump(str(folder / "config.py"))
    return folder / "config.py"


def kill_trial(folder: Path, num_kills: int, seed: int) -> dict[str, Any]:
    """Compare a training that was killed many times with one that was not."""
    rng = random.Random(seed)
    num_iterations = num_kills * ITERATIONS_PER_KILL
    config = write_config(folder, num_iterations, CHECKPOINT_INTERVAL)
    started = time.monotonic()
    whole = Life(config, folder / "whole")
    whole.wait_until_it_trains()
    training_started = time.monotonic()
    assert whole.process.wait() == 0, whole.log.read_text()[-2000:]
    seconds = time.monotonic() - training_started
    ends = []
    for number in range(num_kills):
        if number % 4 == 3:
            ends.append(die_while_saving(config, folder / "killed", rng.randint(1, 2)))
        else:
            moment = rng.uniform(0, 1.5 * seconds / num_kills)
            ends.append(end_a_life(config, folder / "killed", rng.choice(SIGNALS), moment))
        print(f"{number + 1:3} {ends[-1]}", flush=True)
    last = Life(config, folder / "killed")
    assert last.process.wait() == 0, last.log.read_text()[-2000:]
    differences = compare(folder / "whole", folder / "killed", num_iterations)
    return {
        "kills": num_kills,
        "ends": {end: ends.count(end) for end in sorted(set(ends))},
        "iterations": num_iterations,
        "seconds_without_kills": round(seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
        "differences": differences,
        "passed": not differences and STILL_ALIVE not in ends,
    }


def end_a_life(config: Path, work_dir: Path, number: signal.Signals, seconds: float) -> str:
    """Resume a training, send a signal so many seconds after it trains, and say how it ended."""
    life = Life(config, work_dir)
    life.wait_until_it_trains()
    time.sleep(seconds)
    os.killpg(life.process.pid, number)
    try:
        return f"{number.name}, code {life.process.wait(END_SECONDS)}"
    except subprocess.TimeoutExpired:
        os.killpg(life.process.pid, signal.SIGKILL)
        return STILL_ALIVE


def die_while_saving(config: Path, work_dir: Path, number: int) -> str:
    """Resume a training that kills itself in the midst of its ``number``-th checkpoint."""
    life = Life(config, work_dir, die_in_save=number)
    code = life.process.wait(STARTUP_SECONDS)
    assert code == -signal.SIGKILL, life.log.read_text()[-2000:]
    return "SIGKILL while saving"


class Life:
    """Run a training from the newest checkpoint on."""

    def __init__(self, config: Path, work_dir: Path, *, die_in_save: int = 0) -> None:
        """Start it.

        Args:
            die_in_save: number of the checkpoint in whose midst it kills itself; 0 for none.
        """
        self.work_dir = work_dir
        self.log = work_dir.with_suffix(".log")
        self._num_lines = self._count_lines()
        program = [__file__, "life", str(die_in_save)] if die_in_save else [str(TRAIN)]
        command = [*program, str(config), "--work-dir", str(work_dir), "--resume"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,
            )

    def wait_until_it_trains(self) -> None:
        """Return at its first line of numbers."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while self._count_lines() == self._num_lines:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the training did not begin"
            time.sleep(0.05)

    def _count_lines(self) -> int:
        files = self.work_dir.glob("*/vis_data/scalars.json")
        return sum(len(file.read_text().splitlines()) for file in files)


def die_in_save(number: int, arguments: Sequence[str]) -> int:
    """Run ``tools/train.py``; kill it when half of the ``number``-th checkpoint is written."""
    save = atomic_backend.AtomicLocalBackend.put
    saves = iter(range(1, number))

    def half_a_put(self: Any, obj: bytes, filepath: str | Path) -> None:
        if not str(filepath).endswith(".pth") or next(saves, None) is not None:
            save(self, obj, filepath)
            return
        with atomic_backend.atomic_file(Path(filepath)) as file:
            file.write(obj[: len(obj) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    atomic_backend.AtomicLocalBackend.put = half_a_put
    sys.argv = [str(TRAIN), *arguments]
    runpy.run_path(str(TRAIN), run_name="__main__")
    return 0


def compare(one: Path, other: Path, iteration: int) -> list[str]:
    """Name what differs in the last checkpoints of two trainings."""
    contents = [read_checkpoint(folder / f"iter_{iteration}.pth") for folder in (one, other)]
    parts = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
    differences = [part for part in parts if not _equal(*(c[part] for c in contents))]
    losses = [c["message_hub"]["log_scalars"]["train/loss"] for c in contents]
    return differences + ([] if _equal(*losses) else ["history of the loss"])


def memory_trial(folder: Path, num_iterations: int) -> dict[str, Any]:
    """Fit a line to the memory of a training over its iterations, and judge its slope."""
    config = write_config(folder, num_iterations, num_iterations // 10)
    life = Life(config, folder / "memory")
    life.wait_until_it_trains()
    samples = []
    while life.process.poll() is None:
        step, memory = _last_step(life.work_dir), _memory_of_group(life.process.pid)
        if memory:
            samples.append((step, memory))
        time.sleep(0.5)
    assert life.process.returncode == 0, life.log.read_text()[-2000:]
    return judge_memory(samples, num_iterations)


def judge_memory(samples: Sequence[tuple[int, float]], num_iterations: int) -> dict[str, Any]:
    """Fit a line to (iteration, MB) after the first quarter; growth within the noise passes."""
    steps, memory = np.array(samples, float).T
    is_settled = (steps > num_iterations / 4) & (steps < 0.98 * num_iterations)
    steps, memory = steps[is_settled] / 1000, memory[is_settled]
    (slope, start), covariance = np.polyfit(steps, memory, 1, cov=True)
    noise = float((memory - slope * steps - start).std())
    grown = float(slope) * num_iterations / 1000
    return {
        "iterations": num_iterations,
        "memory_mb": round(float(memory.mean()), 1),
        "noise_mb": round(noise, 2),
        "mb_per_1000_iterations": round(float(slope), 4),
        "standard_error": round(float(covariance[0, 0] ** 0.5), 4),
        "mb_over_the_run": round(grown, 2),
        "mb_by_tenth": [round(float(part.mean()), 1) for part in np.array_split(memory, 10)],
        "passed": abs(grown) < max(3 * noise, MEMORY_TOLERANCE),
    }


def _last_step(work_dir: Path) -> int:
    (file,) = work_dir.glob("*/vis_data/scalars.json")
    lines = [line for line in file.read_text().splitlines() if line.endswith("}")]
    return json.loads(lines[-1])["step"]


def _memory_of_group(leader: int) -> float:
    """Return the memory of a process and its children, MB; 0 when it has just ended."""
    try:
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        return sum(resident_memory(int(process)) for process in (leader, *children))
    except (FileNotFoundError, ProcessLookupError, TypeError):
        return 0.0


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other


if __name__ == "__main__":
    sys.exit(main())
