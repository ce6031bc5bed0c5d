"""Compare training steps of stage 2: all parts learning, spatial parts frozen, tokens from a cache.

    python tools/benchmark/stage2_step.py [CONFIG] [--batch-size 1] [--rounds 5] [--json FILE]

The three are timed in turn in one process, with random weights in the recipe's shapes. The first
two get crops that are ready; the third one reads its tokens from files, which counts.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils.data import DataLoader

from handvit.analysis.plain_crops import plain_crops
from handvit.analysis.stand_in import self_contained
from handvit.datasets.infinite_sampler import InfiniteMixtureSampler
from handvit.datasets.token_cache import (
    CachedTokenDataset,
    TokenCacheInfo,
    TokenCacheWriter,
    token_collate,
)
from handvit.datasets.token_cache.crop_columns import to_columns
from handvit.datasets.token_cache.token_cache_info import describe_model
from handvit.datasets.token_cache.token_cache_writer import BATCHES_PER_PART
from handvit.engine.launch import load_config
from handvit.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from handvit.structures import HandCrops

RECIPE = "configs/stage2/dino_large_t7.py"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default=RECIPE, help="stage-2 recipe")
    parser.add_argument("--batch-size", type=int, default=1, help="clips a step")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each kind that count")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        cfg = self_contained(load_config(args.config))
        report = measure(cfg, Path(folder), args.batch_size, args.rounds)
    for name, value in report.items():
        print(f"{name:28} {value}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(cfg: Config, folder: Path, batch_size: int, rounds: int) -> dict[str, Any]:
    """Time the three kinds of steps in turn."""
    crops, frozen = make_crops(cfg, batch_size), build(cfg)
    write_cache(folder, frozen.model, crops)
    batches = load_cache(folder, batch_size)
    everything = build(Config({**cfg, "model": {**cfg.model, "frozen": ()}}))
    steps = {
        "all_trainable": lambda: everything.step(crops),
        "frozen": lambda: frozen.step(crops),
        "cached": lambda: frozen.step(next(batches)),
    }
    seconds = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            elapsed = time_once(step)
            if number:  # the first round warms up
                seconds[name].append(elapsed)
    found = {f"{name}_ms": round(1e3 * float(np.median(t)), 1) for name, t in seconds.items()}
    for name in ("frozen", "cached"):
        ratios = np.divide(seconds["all_trainable"], seconds[name])
        low, middle, high = np.percentile(ratios, (0, 50, 100)).round(1).tolist()
        found[f"{name}_times_faster"] = middle
        found[f"{name}_times_faster_range"] = [low, high]
    return {
        **found,
        "all_trainable_gradient_mb": round(everything.gradient_mb, 1),
        "frozen_gradient_mb": round(frozen.gradient_mb, 1),
        "spatial_gradients_when_frozen": frozen.num_spatial_gradients,
        "device": get_device(),
    }


class Trainee:
    """Make training steps with a model, and note what gradients they left."""

    def __init__(self, model: nn.Module, optim_wrapper: OptimWrapper) -> None:
        self.model = model
        self.optim_wrapper = optim_wrapper
        self.gradient_mb, self.num_spatial_gradients = 0.0, 0
        optim_wrapper.optimizer.register_step_pre_hook(self._look)

    def step(self, crops: HandCrops) -> None:
        """Take one step, as the Runner does."""
        self.model.train_step(crops, self.optim_wrapper)

    def _look(self, *arguments: object) -> None:
        gradients = {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}
        self.gradient_mb = sum(grad.numel() * grad.element_size() for grad in gradients.values())
        self.gradient_mb /= 2**20
        self.num_spatial_gradients = sum(n.startswith(("backbone.", "neck.")) for n in gradients)


def build(cfg: Config) -> Trainee:
    """Build the model and its optimizer, in float32 where there is no GPU."""
    model = MODELS.build(cfg.model).to(get_device()).train()
    optim_cfg = dict(cfg.optim_wrapper)
    if get_device() == "cpu":
        optim_cfg["type"] = "OptimWrapper"
    constructor = dict(
        type=optim_cfg.pop("constructor"),
        optim_wrapper_cfg=optim_cfg,
        paramwise_cfg=optim_cfg.pop("paramwise_cfg", None),
    )
    return Trainee(model, OPTIM_WRAPPER_CONSTRUCTORS.build(constructor)(model))


def make_crops(cfg: Config, batch_size: int) -> HandCrops:
    """Return clips of noise in the recipe's size."""
    num_frames = cfg.model.temporal.get("max_frames", 7)
    size = cfg.model.data_preprocessor.crop_size
    crops = plain_crops(batch_size, num_frames=num_frames, crop_size=size)
    return crops._replace(crop=torch.randn_like(crops.crop))


@torch.no_grad()
def write_cache(root: Path, model: nn.Module, crops: HandCrops) -> None:
    """Write the tokens of one batch again and again."""
    crops = model.data_preprocessor(crops)["crops"]
    tokens = model.extract_tokens(crops)
    writer = TokenCacheWriter(root, num_parts=1)
    for _ in range(BATCHES_PER_PART):
        writer.add(to_columns(crops, tokens, torch.bfloat16))
    batch_size, clip_length = crops.crop.shape[:2]
    info = TokenCacheInfo(
        num_clips=BATCHES_PER_PART * batch_size,
        clip_length=clip_length,
        seed=0,
        batch_size=batch_size,
        dtype="bfloat16",
        num_prefix=tokens.prefix.shape[-2],
        grid=tokens.grid,
        dataset={},
        training_range=None,
        **describe_model(model),
    )
    info.begin(root)
    info.finish(root)


def load_cache(root: Path, batch_size: int) -> Iterator[HandCrops]:
    """Return batches for ever, read in this process."""
    dataset = CachedTokenDataset(root)
    sampler = InfiniteMixtureSampler(dataset, seed=0)
    return iter(DataLoader(dataset, batch_size, sampler=sampler, collate_fn=token_collate))


def time_once(step: Callable[[], None]) -> float:
    """Return seconds, those of a GPU's queue included."""
    started = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
