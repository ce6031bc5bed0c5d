"""Name trainings that run as programs of their own, and show how far all of them are."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from tqdm import tqdm

from handvit.engine.ablation import Variant
from handvit.engine.job_pool import Job


class Training(NamedTuple):
    """Name one training of a variant, and its files."""

    variant: Variant
    config: Config
    folder: Path

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.variant.name} (seed {self.config.randomness.seed})"

    @property
    def num_iterations(self) -> int:
        """Its length."""
        return self.config.train_cfg.max_iters

    @property
    def predictions(self) -> Path:
        """File of the tested hands."""
        return self.folder / "test.npz"

    @property
    def is_finished(self) -> bool:
        """Say whether ``tools/test.py`` has written the last of its files."""
        return (self.folder / "metrics.json").is_file()

    def job(self, tools: Path) -> Job:
        """Write the config; train, from the newest checkpoint if there is one, then test.

        Args:
            tools: the folder of ``train.py`` and ``test.py``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        config, work_dir = str(self.folder / "config.py"), ["--work-dir", str(self.folder)]
        self.config.dump(config)
        checkpoint = self.folder / f"iter_{self.num_iterations}.pth"
        train = [tools / "train.py", config, *work_dir, "--resume"]
        test = [tools / "test.py", config, checkpoint, *work_dir, "--dump", self.predictions]
        commands = [test] if checkpoint.is_file() else [train, test]
        commands = [[sys.executable, *map(str, command)] for command in commands]
        return Job(self.title, commands, self.folder / "output.log")

    def num_done(self) -> int:
        """Return how many iterations its newest log speaks of."""
        if self.is_finished:
            return self.num_iterations
        logs = sorted(self.folder.glob("*/vis_data/scalars.json"))
        lines = logs[-1].read_text().splitlines() if logs else []
        return max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)


class TrainingProgress:
    """Show how many iterations are done and how long the others will take."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = {one.title: one for one in trainings}
        self.failed: list[Job] = []
        total = sum(one.num_iterations for one in trainings)
        self.bar = tqdm(
            total=total, initial=self._num_done(), unit="it", smoothing=0, mininterval=2
        )

    def update(self) -> None:
        """Look at the logs."""
        self.bar.update(self._num_done() - self.bar.n)

    def report(self, job: Job, code: int) -> None:
        """Say how a training ended."""
        if code == 0:
            path = self.trainings[job.name].folder / "metrics.json"
            error = json.loads(path.read_text())["metrics"]["mpjpe_cam"]
            self.bar.write(f"{job.name}: mpjpe_cam {error:.1f} mm")
        else:
            self.failed.append(job)
            last_line = job.log.read_text().strip().split("\n")[-1]
            self.bar.write(f"{job.name}: FAILED: {last_line}")

    def _num_done(self) -> int:
        """Count iterations; those of a failed training will not be made, so they count as done."""
        failed = {job.name for job in self.failed}
        return sum(
            one.num_iterations if title in failed else one.num_done()
            for title, one in self.trainings.items()
        )
