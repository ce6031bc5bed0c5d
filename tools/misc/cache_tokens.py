"""Compute once what the frozen part of a stage-2 model makes of its training clips.

    python tools/misc/cache_tokens.py CONFIG CHECKPOINT --out DIR --num-clips 20000

The clips are the first ones that a training with CONFIG would draw, augmented as it would augment
them; so a training from the cache that takes them in their order is the training without it. Draw
several times as many clips as the data have frames to have several views of each. A run that was
stopped goes on where it was.

    train_dataloader = dict(
        dataset=dict(_delete_=True, type="CachedTokenDataset", root="DIR"),
        collate_fn=dict(type="handvit.token_collate"),
    )
"""

import argparse
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.runner import Runner
from torch import nn
from tqdm import tqdm

from handvit.datasets.token_cache import TokenCacheInfo, TokenCacheWriter
from handvit.datasets.token_cache.crop_columns import to_columns
from handvit.datasets.token_cache.token_cache_info import (
    INFO_FILE,
    check_frozen,
    describe_model,
)
from handvit.datasets.token_cache.token_cache_writer import BATCHES_PER_PART
from handvit.datasets.training_range import measure_range
from handvit.engine.checkpoints import load_weights, read_checkpoint
from handvit.engine.hooks.iter_seed_hook import seed_iteration
from handvit.engine.launch import load_config, prepare_environment
from handvit.registry import MODELS

GIGABYTE = 1e9


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the model and the loader, and write the cache."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="stage-2 recipe")
    parser.add_argument("checkpoint", help="with the spatial weights, such as stage 1's")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--num-clips", type=int, required=True, help="rounded up to eight batches")
    parser.add_argument("--float32", action="store_true", help="keep tokens exact, not in bfloat16")
    parser.add_argument("--amp", action="store_true", help="compute under bfloat16 autocast")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args(arguments)
    if args.num_clips < 1:
        parser.error(f"--num-clips: {args.num_clips} must be 1 or more")
    prepare_environment(local_rank=0)
    try:
        cfg = load_config(args.config, args.cfg_options)
        model = load_model(cfg, args.checkpoint)
        write_cache(cfg, model, args)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted; repeat the command to go on\n")


def load_model(cfg: Config, checkpoint: str) -> nn.Module:
    """Build the model as it trains, with the spatial weights of a checkpoint."""
    model = MODELS.build(cfg.model)
    check_frozen(model)
    content = read_checkpoint(checkpoint)
    load_weights(model, content["state_dict"], path=checkpoint, allow_new_parts=True)
    return model.to(get_device()).train()


@torch.no_grad()
def write_cache(cfg: Config, model: nn.Module, args: argparse.Namespace) -> None:
    """Draw the clips and write their tokens.

    Raises:
        ValueError: the folder holds a cache already, or the disk is too small.
    """
    if (args.out / INFO_FILE).is_file():
        raise ValueError(f"--out {args.out}: holds a complete cache; remove it to write another")
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=cfg.randomness.seed)
    num_parts = -(-args.num_clips // (loader.batch_size * BATCHES_PER_PART))
    num_batches = num_parts * BATCHES_PER_PART
    writer = TokenCacheWriter(args.out, num_parts=num_parts)
    first = writer.num_batches
    loader.sampler.set_start(first, batch_size=loader.batch_size)
    batches = iter(loader)
    dtype = torch.float32 if args.float32 else torch.bfloat16
    amp = torch.autocast(get_device(), dtype=torch.bfloat16) if args.amp else nullcontext()
    sizes = dict(total=num_batches * loader.batch_size, initial=first * loader.batch_size)
    with tqdm(**sizes, unit="clip") as bar:
        for iteration in range(first, num_batches):
            data = next(batches)
            seed_iteration(cfg.randomness.seed, 0, iteration)
            with amp:
                crops = model.data_preprocessor(data, training=True)["crops"]
                tokens = model.extract_tokens(crops)
            columns = to_columns(crops, tokens, dtype)
            if iteration == first:
                check_space(args.out, columns["tokens"].nbytes * (num_batches - first))
                info = TokenCacheInfo(
                    num_clips=num_batches * loader.batch_size,
                    clip_length=columns["tokens"].shape[1],
                    seed=cfg.randomness.seed,
                    batch_size=loader.batch_size,
                    dtype=str(dtype).removeprefix("torch."),
                    num_prefix=tokens.prefix.shape[-2],
                    grid=tokens.grid,
                    dataset=dict(loader.dataset.metainfo),
                    training_range=measure_range(loader.dataset),
                    **describe_model(model),
                )
                info.begin(args.out)
            writer.add(columns)
            bar.update(loader.batch_size)
    info.finish(args.out)


def check_space(folder: Path, num_bytes: int) -> None:
    """Say how large the cache will be, before the work.

    Raises:
        ValueError: the disk has less room.
    """
    free = shutil.disk_usage(folder).free
    print(f"{folder}: {num_bytes / GIGABYTE:.2f} GB to write, {free / GIGABYTE:.1f} GB free")
    if num_bytes > free:
        raise ValueError(
            f"--out {folder}: the cache needs {num_bytes / GIGABYTE:.1f} GB, but"
            f" {free / GIGABYTE:.1f} GB are free; lower --num-clips, or choose another disk"
        )


if __name__ == "__main__":
    main()
