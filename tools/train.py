"""Train a model: ``python tools/train.py CONFIG``."""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, DictAction

from handvit.engine.checkpoints import find_latest_checkpoint
from handvit.engine.launch import load_config, prepare_environment
from handvit.engine.training_stop import TrainingStop
from handvit.registry import RUNNERS


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
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none")
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0)  # set by launchers
    return parser.parse_args()


def set_resume(cfg: Config, resume: str | None) -> None:
    """Point the config at the checkpoint to continue from."""
    if resume is None:
        return
    latest = find_latest_checkpoint(cfg.work_dir) if resume == "auto" else Path(resume)
    if latest is None:
        print(f"--resume: no checkpoint in {cfg.work_dir} yet, training from the start")
        return
    if not latest.is_file():
        raise FileNotFoundError(f"--resume {latest}: no such file")
    cfg.resume, cfg.load_from = True, str(latest)


def main() -> None:
    """Build the runner and train."""
    args = parse_args()
    prepare_environment(args.local_rank)
    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    cfg.launcher = args.launcher
    if args.amp:
        cfg.optim_wrapper.type = "BF16OptimWrapper"
    set_resume(cfg, args.resume)
    try:
        RUNNERS.build(cfg).train()
    except KeyboardInterrupt:
        print(f"\ninterrupted; add --resume to go on from the newest checkpoint in {cfg.work_dir}")
        sys.exit(130)
    except TrainingStop as stop:
        print(f"\n{stop}; add --resume to go on", file=sys.stderr)
        sys.exit(stop.code)


if __name__ == "__main__":
    main()
