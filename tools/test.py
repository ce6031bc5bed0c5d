"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``; print and save its metrics."""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.fileio import dump
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from handvit.engine.launch import (
    drop_useless_pinning,
    explain,
    is_first_process,
    is_users_mistake,
    load_config,
    prepare_environment,
)
from handvit.engine.preflight import check_config
from handvit.evaluation.table import format_table, rows_by_data_set
from handvit.registry import RUNNERS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file the checkpoint was trained with")
    parser.add_argument("checkpoint", help="iter_N.pth, best_*.pth, or an export's folder")
    parser.add_argument("--work-dir", help="for metrics.json; default work_dirs/<config>")
    parser.add_argument("--dump", metavar="FILE", help="write the predictions to this .npz file")
    parser.add_argument("--show-dir", metavar="DIR", help="draw predictions into this folder")
    parser.add_argument("--show-interval", type=int, default=20, help="draw every n-th batch")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="change config"
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none")
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0)  # set by launchers
    args = parser.parse_args()
    if args.dump and not args.dump.endswith(".npz"):
        parser.error(f"--dump {args.dump}: must end in .npz")
    if not Path(args.checkpoint).exists():
        parser.error(f"checkpoint {args.checkpoint}: no such file")
    return args


def to_test(cfg: Config, args: argparse.Namespace) -> Config:
    """Fill in what the command line says about this test."""
    cfg.launcher = args.launcher
    evaluators = cfg.test_evaluator
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if evaluator.type.endswith("HandMetric"):
            evaluator.update(config=args.config, checkpoint=args.checkpoint, dump_path=args.dump)
    if args.show_dir:
        hook = dict(type="PictureHook", out_dir=args.show_dir, interval=args.show_interval)
        cfg.custom_hooks = [*cfg.get("custom_hooks", []), hook]
    return cfg


def prepare(args: argparse.Namespace) -> Config:
    """Return the config to test with.

    Raises:
        FileNotFoundError, ValueError: the command line or the config cannot work.
    """
    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    cfg.load_from, cfg.resume = args.checkpoint, False
    check_config(cfg, args.config, for_training=False)
    drop_useless_pinning(cfg)
    return to_test(cfg, args)


def main() -> None:
    """Build the runner, test, and report."""
    args = parse_args()
    prepare_environment(args.local_rank)
    try:
        runner = RUNNERS.build(prepare(args))
        metrics = runner.test()
    except (FileNotFoundError, ValueError) as error:
        if args.traceback or not is_users_mistake(error):
            raise
        if is_first_process():
            print(explain(error), file=sys.stderr)
        sys.exit(2)
    if is_main_process():
        report(runner, metrics, args)


def report(runner: Runner, metrics: dict[str, float], args: argparse.Namespace) -> None:
    """Print the table and write ``metrics.json``."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    path = Path(runner.work_dir) / "metrics.json"
    content = {
        "metrics": metrics,
        "units": "mm",
        "hand_model": model.hand_model.identity,
        "config": args.config,
        "checkpoint": args.checkpoint,
        "dataset": dict(runner.test_dataloader.dataset.metainfo),
    }
    dump(content, path, indent=2)
    print(format_table(rows_by_data_set(Path(args.config).stem, metrics)))
    print(f"hand model {content['hand_model']}; written to {path}")


if __name__ == "__main__":
    main()
