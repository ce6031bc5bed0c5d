"""Measure what compiling a backbone gains: ``compile.py CONFIG [--amp] [--json FILE]``.

Forward and backward passes of a recipe's backbone with random weights, as they are and compiled, in
turns, since other programs may use the same machine. Nothing is read but the config.
"""

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import torch
from mmengine.config import DictAction
from mmengine.device import get_device
from torch import Tensor, nn

from handvit.analysis.stand_in import self_contained
from handvit.engine.autocast import autocast
from handvit.engine.launch import load_config
from handvit.registry import MODELS

CONFIG = "configs/stage1/dino_small.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(sys.argv[1:] if arguments is None else arguments)
    cfg = self_contained(load_config(args.config, args.cfg_options))
    crop_size = cfg.model.data_preprocessor.crop_size
    torch.manual_seed(0)
    backbone = MODELS.build(cfg.model.backbone).to(get_device()).train()
    crops = torch.randn(args.batch_size, 3, crop_size, crop_size, device=get_device())
    report = {
        "config": args.config,
        "dtype": "bfloat16" if args.amp else "float32",
        "batch_size": args.batch_size,
        "crop_size": crop_size,
        "device": torch.cuda.get_device_name() if get_device() == "cuda" else get_device(),
        "num_threads": torch.get_num_threads(),
        "mode": args.mode,
        "torch": torch.__version__,
        **measure(backbone, crops, args),
    }
    for name, value in report.items():
        print(f"{name:16} {value:.4g}" if isinstance(value, float) else f"{name:16} {value}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def parse_args(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("config", nargs="?", default=CONFIG, help=f"a recipe; default {CONFIG}")
    add("--batch-size", type=int, default=4, help="crops in a batch")
    add("--amp", action="store_true", help="compute under bfloat16 autocast")
    add("--mode", default="default", help="of torch.compile")
    add("--backend", default="inductor", help="of torch.compile")
    add("--num-turns", type=int, default=5, help="measurements of each kind")
    add("--steps-per-turn", type=int, default=3, help="forward and backward passes of each")
    add("--json", type=Path, metavar="FILE", help="write the numbers there")
    add("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="change config")
    return parser.parse_args(arguments)


def measure(backbone: nn.Module, crops: Tensor, args: argparse.Namespace) -> dict[str, float]:
    """Return seconds of a step of each kind, of compiling, and how far the tokens differ."""
    torch.compiler.config.force_disable_caches = True  # what an earlier run compiled
    compiled = copy.deepcopy(backbone)
    compiled.compile(mode=args.mode, backend=args.backend, fullgraph=True)
    precision = partial(autocast, "bfloat16") if args.amp else nullcontext
    first, tokens = timed(step, compiled, crops, precision)
    _, expected = timed(step, backbone, crops, precision)
    difference = (tokens - expected).norm() / expected.norm()
    times = {"eager_s": [], "compiled_s": []}
    for _ in range(args.num_turns):
        for name, module in (("eager_s", backbone), ("compiled_s", compiled)):
            seconds, _ = timed(steps, args.steps_per_turn, module, crops, precision)
            times[name].append(seconds / args.steps_per_turn)
    ratios = [
        eager / ours for eager, ours in zip(times["eager_s"], times["compiled_s"], strict=True)
    ]
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        **medians,
        "gain": statistics.median(ratios),
        "gain_min": min(ratios),
        "gain_max": max(ratios),
        "compile_s": first - medians["compiled_s"],
        "difference": difference.item(),
    }


def steps(
    count: int, backbone: nn.Module, crops: Tensor, precision: Callable[[], AbstractContextManager]
) -> None:
    """Make some steps."""
    for _ in range(count):
        step(backbone, crops, precision)


def step(
    backbone: nn.Module, crops: Tensor, precision: Callable[[], AbstractContextManager]
) -> Tensor:
    """Make a forward and a backward pass; return the patch tokens (B, N, D)."""
    with precision():
        tokens = backbone(crops).patches
    tokens.float().square().mean().backward()
    backbone.zero_grad()
    return tokens.detach().float()


def timed(function: Callable, *arguments: object) -> tuple[float, object]:
    """Return the seconds that a call takes, until the device has done its work, and its result."""
    _wait()
    start = time.perf_counter()
    result = function(*arguments)
    _wait()
    return time.perf_counter() - start, result


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
