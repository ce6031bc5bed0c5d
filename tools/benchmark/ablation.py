"""Compare a model's parts on one synthetic benchmark: ``python tools/benchmark/ablation.py``.

Renders training and test hands, trains each variant that the config declares with all else alike,
tests all of them on the same hands, and prints one table. Finished trainings stay in the work dir,
named by their config and data, and are not repeated; interrupted ones go on. After a change of the
code itself, remove the work dir. ``--report`` trains nothing and compares what is finished.
"""

import argparse
import json
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, DictAction
from tqdm import tqdm

from handvit.atomic_file import atomic_file
from handvit.datasets import ShardReader
from handvit.datasets.statistics import survey_hands
from handvit.datasets.synthetic import SyntheticPlan, produce
from handvit.datasets.synthetic.plan import PLAN_FILE
from handvit.engine.ablation import DEFAULT, Ablation, config_digest
from handvit.engine.job_pool import Job, run_jobs
from handvit.engine.launch import load_config
from handvit.engine.run_times import elapsed_seconds, run_times, total_seconds
from handvit.engine.training_progress import Training, TrainingProgress
from handvit.evaluation import ConstantPredictor, GroundTruth, PredictionFile
from handvit.evaluation.ablation_findings import describe_floor, describe_verdicts, findings
from handvit.evaluation.ablation_table import AblationTable, MeasuredVariant
from handvit.evaluation.data_labels import read_ground_truth
from handvit.marked_section import check_section, write_section
from handvit.visualization.ablation_plot import plot_ablation

TOOLS = Path(__file__).resolve().parents[1]
CONFIG = "configs/ablation/synthetic.py"
CONSTANT = "constant predictor"
SECTION = "ablation"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, then compare."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = parse_args(arguments)
    base = load_config(args.config, args.cfg_options)
    if args.iters is not None:
        set_iterations(base, args.iters)
    ablation = read_ablation(base.ablation, args)
    if args.write is not None:
        check_section(args.write, SECTION)  # now, not in an hour
    try:
        if not args.report:
            make_data(base, num_workers=args.jobs)
        trainings = plan_trainings(base, ablation, read_plans(base), args)
        unfinished = [one for one in trainings if not one.is_finished]
        failed = [] if args.report else train(unfinished, args)
    except KeyboardInterrupt:
        print(f"\ninterrupted; repeat the command to go on from what is in {args.work_dir}")
        sys.exit(130)
    text = report(base, ablation, [one for one in trainings if one.is_finished], args)
    if failed:
        print("\n".join(["failed:", *(f"  {job.name}: see {job.log}" for job in failed)]))
    if args.write is not None:
        missing = [one.title for one in trainings if not one.is_finished]
        if missing:
            sys.exit(f"{args.write}: left as it was; not finished: {', '.join(missing)}")
        write_section(args.write, SECTION, f"`{command_line(arguments)}`:\n\n{text}")
    if failed:
        sys.exit(1)


def parse_args(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("config", nargs="?", default=CONFIG, help=f"declares the variants; default {CONFIG}")
    add("--work-dir", type=Path, default=Path("work_dirs/ablation"), help="for all trainings")
    add("--report", action="store_true", help="train nothing; compare what is finished")
    add("--out", type=Path, help="folder for ablation.json and .png; the work dir if omitted")
    add("--variants", nargs="+", metavar="NAME", help="rows besides the default; all if omitted")
    add("--seeds", nargs="+", type=int, default=[0], help="of the trainings of every variant")
    add("--default-seeds", nargs="+", type=int, default=[*range(5)], help="of the default's")
    add("--iters", type=int, help="length of a training; the config's if omitted")
    add("--jobs", type=int, default=2, help="trainings at a time; they share out the CPU's cores")
    add("--device", choices=["cpu", "cuda"], help="a GPU where there is one, if omitted")
    add("--write", type=Path, metavar="FILE", help=f"put the table in its section {SECTION!r}")
    add("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="change config")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here")
    if args.jobs < 1 or (args.iters is not None and args.iters < 2):
        parser.error("--jobs must be 1 or more, --iters 2 or more")
    if args.write is not None and args.variants is not None:
        parser.error("--write: a page gets all variants; leave out --variants, or --write")
    return args


def read_ablation(settings: Mapping[str, Any], args: argparse.Namespace) -> Ablation:
    """Return the rows that the config declares and the command line selects."""
    ablation = Ablation.parse(settings.axes, settings.default, settings.variants)
    ablation.refuse_replaced(args.cfg_options or {})
    return ablation if args.variants is None else ablation.select(args.variants)


def set_iterations(cfg: Config, count: int) -> None:
    """Change the length of a training and of its learning rate's two phases."""
    warm_up, decay = cfg.param_scheduler
    warm_up.end = decay.begin = max(1, min(warm_up.end, count // 10))
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = decay.end = count
    decay.T_max = count - decay.begin


def make_data(cfg: Config, *, num_workers: int) -> None:
    """Render what is missing, and measure the training hands."""
    for split, loader in (("train", cfg.train_dataloader), ("test", cfg.test_dataloader)):
        settings = dict(cfg.ablation.data[split])
        plan = SyntheticPlan(split=split, num_sequences=0, sequence_length=1, **settings)
        with tqdm(total=plan.num_frames, unit="hand", desc=split) as bar:
            root = Path(loader.dataset.data_root)
            produce(root, plan, num_workers=num_workers, report=bar.update)
    reader = ShardReader(cfg.train_dataloader.dataset.data_root)
    survey_hands([reader]).statistics().save(cfg.model.head.statistics)


def read_plans(cfg: Config) -> dict[str, Any]:
    """Return what the data is, by split."""
    loaders = {"train": cfg.train_dataloader, "test": cfg.test_dataloader}
    paths = {split: Path(one.dataset.data_root) / PLAN_FILE for split, one in loaders.items()}
    return {split: json.loads(path.read_text()) for split, path in paths.items()}


def plan_trainings(
    base: Config, ablation: Ablation, data: Mapping[str, Any], args: argparse.Namespace
) -> list[Training]:
    """List all trainings; the default's come first."""
    trainings = []
    for variant in ablation.variants.values():
        for seed in args.default_seeds if variant.name == DEFAULT else args.seeds:
            cfg = ablation.config(base, variant)
            cfg.randomness.seed = seed
            # The test hands must choose nothing, not even a checkpoint.
            cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
            name = f"{variant.name}-seed{seed}-{config_digest(cfg, data)}"
            trainings.append(Training(variant, cfg, args.work_dir / name))
    return trainings


def train(trainings: Sequence[Training], args: argparse.Namespace) -> list[Job]:
    """Run trainings, ``args.jobs`` at a time, show how far they are, and return what failed."""
    threads = max(1, (os.cpu_count() or 1) // args.jobs)
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if args.device == "cpu" else {}
    progress = TrainingProgress(trainings)
    results = run_jobs(
        [one.job(TOOLS) for one in trainings],
        num_parallel=args.jobs,
        environment={"OMP_NUM_THREADS": str(threads), **hidden},
        on_poll=progress.update,
    )
    with closing(results):  # Ctrl-C may come between two of its steps
        for job, code in results:
            progress.report(job, code)
    progress.bar.close()
    return progress.failed


def report(
    base: Config, ablation: Ablation, finished: Sequence[Training], args: argparse.Namespace
) -> str:
    """Measure all finished trainings, write ``ablation.json``, print and return the table."""
    train_hands, truth = (
        read_ground_truth(ShardReader(loader.dataset.data_root))
        for loader in (base.train_dataloader, base.test_dataloader)
    )
    truth = truth.select(np.argsort(truth.sample_id))
    predictions = defaultdict(list)
    for one in finished:
        predictions[one.variant.name].append(read_predictions(one.predictions, truth))
    constant = ConstantPredictor.fit(train_hands).predict(truth)
    measured = {CONSTANT: MeasuredVariant.measure([constant], truth, is_trained=False)}
    measured |= {name: MeasuredVariant.measure(p, truth) for name, p in predictions.items()}
    table = AblationTable(measured, default=DEFAULT)

    folder = args.out or args.work_dir
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / "ablation.json") as file:
        file.write(json.dumps(table.to_json(), indent=2).encode() + b"\n")
    with atomic_file(folder / "ablation.png") as file:
        file.write(plot_ablation(table))
    notes = [
        describe_rows(base, ablation, len(train_hands), len(truth)),
        describe_verdicts(table),
        *findings(table, ablation.rows_by_metric()),
        describe_floor(train_hands, truth),
        describe_time(finished),
        *base.ablation.limits,
    ]
    rows = table.to_markdown([CONSTANT, *ablation.variants])
    text = "\n".join([rows, "", *(f"- {note}" for note in notes)])
    print(text)
    return text


def describe_rows(cfg: Config, ablation: Ablation, num_train: int, num_test: int) -> str:
    """Say what all rows have in common."""
    choice = ablation.variants[DEFAULT].choice
    default = ", ".join(f"{axis} `{option}`" for axis, option in choice.items())
    count, batch_size = cfg.train_cfg.max_iters, cfg.train_dataloader.batch_size
    return (
        f"`{DEFAULT}`: {default}; a row is named by what differs. {count} iterations of"
        f" {batch_size} crops of {cfg.model.data_preprocessor.crop_size} px from random weights"
        f" ({count * batch_size / num_train:.1f} epochs); {num_train} training hands, {num_test}"
        " test hands. Lengths in millimetres, averaged over seeds; hands sorted by the true depth"
        " of their wrist into parts of equal count."
    )


def describe_time(finished: Sequence[Training]) -> str:
    """Say how long the trainings and their tests took."""
    times = [time for one in finished for time in run_times(one.folder)]
    return (
        f"{len(finished)} trainings with their tests: {total_seconds(times) / 60:.0f} min in all,"
        f" {elapsed_seconds(times) / 60:.0f} min from first to last without breaks."
    )


def read_predictions(path: Path, truth: GroundTruth) -> np.ndarray:
    """Return the keypoints of one test in the order of the (sorted) truth, (N, 21, 3) metres."""
    file = PredictionFile.load(path)
    file = file.select(np.argsort(file.sample_id))
    if file.sample_id.tolist() != truth.sample_id.tolist():
        raise ValueError(f"{path}: holds other hands than the test data; remove its folder")
    return file.keypoints_cam


def command_line(arguments: Sequence[str]) -> str:
    """Return what was typed."""
    return shlex.join(["python", "tools/benchmark/ablation.py", *arguments])


if __name__ == "__main__":
    main()
