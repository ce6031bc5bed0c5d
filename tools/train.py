"""Train a model: ``python tools/train.py CONFIG``."""

import argparse
import sys

from mmengine.config import Config, DictAction

from handvit.engine.launch import (
    drop_useless_pinning,
    explain,
    is_first_process,
    is_users_mistake,
    load_config,
    prepare_environment,
    set_resume,
)
from handvit.engine.preflight import check_config
from handvit.engine.sample_schedule import apply_sample_schedule, count_processes
from handvit.engine.training_stop import MemoryShortage, TrainingStop
from handvit.registry import RUNNERS

WRONG_USE, INTERRUPTED = 2, 130  # exit codes, see handvit/engine/training_stop.py


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file, e.g. configs/stage1/dino_large.py")
    parser.add_argument("--work-dir", help="for logs and checkpoints; default work_dirs/<config>")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CKPT",
        help="continue from CKPT, or from the newest checkpoint of the work dir",
    )
    parser.add_argument("--amp", action="store_true", help="train under bfloat16 autocast")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="change config values, e.g. train_dataloader.batch_size=8 load_from=stage1.pth",
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none")
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0)  # set by launchers
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> Config:
    """Return the config to train with.

    Raises:
        FileNotFoundError, ValueError: the command line or the config cannot work.
    """
    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    cfg.launcher = args.launcher
    if args.resume and not set_resume(cfg, args.resume):
        print(f"--resume: no checkpoint in {cfg.work_dir} yet, training from the start")
    for doubt in check_config(cfg, args.config, for_training=True):
        tell(f"warning: {doubt}")
    apply_sample_schedule(cfg, num_processes=count_processes(args.launcher))
    if args.amp:
        cfg.optim_wrapper.type = "BF16OptimWrapper"
    drop_useless_pinning(cfg)
    return cfg


def tell(text: str) -> None:
    """Print for people, once a machine however many processes it has."""
    if is_first_process():
        print(text, file=sys.stderr)


def main() -> None:
    """Build the runner and train."""
    args = parse_args()
    prepare_environment(args.local_rank)
    try:
        RUNNERS.build(prepare(args)).train()
    except KeyboardInterrupt:
        tell("\ninterrupted; add --resume to go on from the newest checkpoint of the work dir")
        sys.exit(INTERRUPTED)
    except MemoryShortage as shortage:  # of one process; other stops are those of all
        print(f"\n{shortage}; add --resume to go on", file=sys.stderr)
        sys.exit(shortage.code)
    except TrainingStop as stop:
        tell(f"\n{stop}; add --resume to go on")
        sys.exit(stop.code)
    except (FileNotFoundError, ValueError) as error:
        if args.traceback or not is_users_mistake(error):
            raise
        tell(explain(error))
        sys.exit(WRONG_USE)


if __name__ == "__main__":
    main()
