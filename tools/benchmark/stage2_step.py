"""Compare training steps of stage 2: all parts learning, spatial parts frozen, tokens from a cache.

    python tools/benchmark/stage2_step.py [CONFIG] [--batch-size 1] [--rounds 5] [--json FILE]

The three are timed in turn in one process, with random weights in the recipe's shapes. A round is
one step with everything trainable, two frozen ones and eight cached ones, and gives one ratio of
each kind; printed are their median and the range that holds the median of resampled rounds in 95 %
of all cases. The first two kinds get crops that are ready; the third one reads its tokens from
files in the same process, which counts.
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
from torch import Tensor, nn
from torch.utils.data import DataLoader

from handvit.analysis.plain_crops import plain_crops
from handvit.analysis.stand_in import self_contained
from handvit.datasets import CachedTokenDataset, InfiniteMixtureSampler, token_collate
from handvit.datasets.token_cache import TokenCacheInfo
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.crop_columns import to_columns
from handvit.datasets.token_cache.frame_blocks import write_block
from handvit.datasets.token_cache.token_cache_info import CachedPart, describe_model
from handvit.engine.launch import load_config
from handvit.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from handvit.structures import HandCrops

RECIPE = "configs/stage2/dino_large_t7.py"
ROUND = ("all_trainable", *("frozen", *("cached",) * 4) * 2)
NUM_CACHED_CLIPS = 16
NUM_RESAMPLES = 2000
MEGABYTE = 2**20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default=RECIPE, help="stage-2 recipe")
    parser.add_argument("--batch-size", type=int, default=1, help="clips a step")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        cfg = self_contained(load_config(args.config))
        report = measure(cfg, Path(folder), args.batch_size, args.rounds)
    for name, value in report.items():
        print(f"{name:30} {value}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(cfg: Config, folder: Path, batch_size: int, rounds: int) -> dict[str, Any]:
    """Time the three kinds of steps in turn."""
    num_frames = cfg.model.temporal.get("max_frames", 7)
    size = cfg.model.data_preprocessor.crop_size
    frozen = Trainee(cfg)
    write_cache(folder, frozen.model, noise_crops(1, num_frames, size))
    batches, crops = load_cache(folder, batch_size), noise_crops(batch_size, num_frames, size)
    everything = Trainee(Config({**cfg, "model": {**cfg.model, "frozen": ()}}))
    steps = {
        "all_trainable": lambda: everything.step(crops),
        "frozen": lambda: frozen.step(crops),
        "cached": lambda: frozen.step(next(batches)),
    }
    for step in steps.values():
        step()  # warms up
    seconds = {name: np.empty(rounds) for name in steps}  # of one step, the mean of each round
    for number in range(rounds):
        of_round = [(name, time_once(steps[name])) for name in ROUND]
        for name in steps:
            seconds[name][number] = np.mean([x for kind, x in of_round if kind == name])
    found = {f"{name}_ms": round(1e3 * float(np.median(x)), 1) for name, x in seconds.items()}
    for name in ("frozen", "cached"):
        found |= compare(name, seconds["all_trainable"] / seconds[name])
    for name, trainee in (("all_trainable", everything), ("frozen", frozen)):
        found[f"{name}_gradient_mb"] = trainee.gradient_mb
        found[f"{name}_optimizer_mb"] = trainee.optimizer_mb
    return {
        **found,
        "spatial_gradients_when_frozen": frozen.num_spatial_gradients,
        "batch_size": batch_size,
        "num_frames": num_frames,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else get_device(),
        "num_threads": torch.get_num_threads(),
    }


def compare(name: str, ratios: np.ndarray) -> dict[str, Any]:
    """Return the median of ratios (rounds,) and the 95 % interval of its bootstrap."""
    chosen = np.random.default_rng(0).integers(len(ratios), size=(NUM_RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[chosen], 1), (2.5, 97.5)).round(1).tolist()
    return {
        f"{name}_times_faster": round(float(np.median(ratios)), 1),
        f"{name}_times_faster_95": [low, high],
    }


class Trainee:
    """Make training steps with a model, and note what memory they took for learning."""

    def __init__(self, cfg: Config) -> None:
        self.model = MODELS.build(cfg.model).to(get_device()).train()
        self.optim_wrapper = build_optimizer(cfg, self.model)
        self.gradient_mb, self.num_spatial_gradients = 0.0, 0
        self.optim_wrapper.optimizer.register_step_pre_hook(self._look)

    def step(self, crops: HandCrops) -> None:
        """Take one step, as the Runner does."""
        self.model.train_step(crops, self.optim_wrapper)

    @property
    def optimizer_mb(self) -> float:
        """Size of what the optimizer keeps."""
        states = self.optim_wrapper.optimizer.state.values()
        return megabytes(x for state in states for x in state.values() if isinstance(x, Tensor))

    def _look(self, *arguments: object) -> None:
        gradients = {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}
        self.gradient_mb = megabytes(gradients.values())
        self.num_spatial_gradients = sum(n.startswith(("backbone.", "neck.")) for n in gradients)


def megabytes(tensors: Iterator[Tensor]) -> float:
    """Return the size of tensors in MB."""
    return round(sum(x.numel() * x.element_size() for x in tensors) / MEGABYTE, 1)


def build_optimizer(cfg: Config, model: nn.Module) -> OptimWrapper:
    """Build the recipe's optimizer, in float32 where there is no GPU."""
    optim_cfg = dict(cfg.optim_wrapper)
    if get_device() == "cpu":
        optim_cfg["type"] = "OptimWrapper"
    constructor = dict(
        type=optim_cfg.pop("constructor"),
        optim_wrapper_cfg=optim_cfg,
        paramwise_cfg=optim_cfg.pop("paramwise_cfg", None),
    )
    return OPTIM_WRAPPER_CONSTRUCTORS.build(constructor)(model)


def noise_crops(batch_size: int, num_frames: int, crop_size: int) -> HandCrops:
    """Return clips of noise."""
    crops = plain_crops(batch_size, num_frames=num_frames, crop_size=crop_size)
    return crops._replace(crop=torch.randn_like(crops.crop))


@torch.no_grad()
def write_cache(root: Path, model: nn.Module, crops: HandCrops) -> None:
    """Write the tokens of one clip (1, T, ...) again and again."""
    crops = model.data_preprocessor(crops)["crops"]
    tokens = model.extract_tokens(crops)
    T = crops.crop.shape[1]
    start = np.arange(NUM_CACHED_CLIPS) * T
    frames = CachedFrames(
        row=np.arange(NUM_CACHED_CLIPS * T, dtype=np.int32),
        run=np.repeat(start, T).astype(np.int32),
        frame_time=np.tile(crops.labels.frame_time[0].cpu().numpy(), NUM_CACHED_CLIPS),
        last=(start + T - 1).astype(np.int32),
        columns={},
    )
    part = CachedPart(
        folder="part00",
        weight=1.0,
        num_frames=len(frames.row),
        clip_length=T,
        stride=1,
        data="noise",
        metainfo={"name": "noise", "hand_model": None},
    )
    info = TokenCacheInfo(
        parts=[part],
        num_views=1,
        seed=0,
        dtype="bfloat16",
        num_prefix=tokens.prefix.shape[-2],
        grid=tokens.grid,
        autocast=False,
        augmentation={},
        training_range=None,
        **describe_model(model),
    )
    info.begin(root)
    (root / part.folder).mkdir()
    frames.save(root / part.folder)
    columns = to_columns(crops, tokens, crops.labels.sample_id * T, torch.bfloat16)
    write_block(root / part.folder, 0, 0, [columns] * NUM_CACHED_CLIPS)
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
