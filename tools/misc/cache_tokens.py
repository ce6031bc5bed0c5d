"""Compute once what the frozen part of a stage-2 model makes of its training frames.

    python tools/misc/cache_tokens.py CONFIG CHECKPOINT --views 2 --out DIR

Each view augments every frame that a training with CONFIG can see, as it would augment them, and
all frames of a track without a gap alike; so all clips can be put together from single frames. A
run that was stopped goes on where it was.

    train_dataloader = dict(
        dataset=dict(_delete_=True, type="CachedTokenDataset", root="DIR"),
        collate_fn=dict(type="handvit.token_collate"),
    )
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from torch import nn
from torch.utils.data import Dataset
from tqdm import tqdm

from handvit.analysis.plain_crops import plain_crops
from handvit.datasets import HandClipDataset, MixtureDataset
from handvit.datasets.token_cache import TokenCacheInfo
from handvit.datasets.token_cache.crop_columns import STORED_DTYPES
from handvit.datasets.token_cache.token_cache_info import (
    INFO_FILE,
    check_frozen,
    describe_model,
)
from handvit.datasets.token_cache.token_cache_writer import (
    PartWriter,
    TokenMaker,
    bytes_per_frame,
)
from handvit.datasets.training_range import measure_range
from handvit.engine.checkpoints import load_weights, read_checkpoint
from handvit.engine.launch import load_config, prepare_environment
from handvit.registry import DATASETS, MODELS
from handvit.structures import HandTokens

GIGABYTE = 1e9
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in STORED_DTYPES}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the model and the data sets, and write the cache."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="stage-2 recipe")
    parser.add_argument("checkpoint", help="with the spatial weights, such as stage 1's")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--views", type=int, default=1, help="augmentations of each frame")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="to keep tokens in")
    parser.add_argument("--amp", action="store_true", help="compute under bfloat16 autocast")
    parser.add_argument("--batch-size", type=int, default=32, help="frames to compute at once")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args(arguments)
    for name in ("views", "batch_size"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: {getattr(args, name)} must be 1 or more")
    prepare_environment(local_rank=0)
    try:
        cfg = load_config(args.config, args.cfg_options)
        write_cache(cfg, load_model(cfg, args.checkpoint), args)
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


def write_cache(cfg: Config, model: nn.Module, args: argparse.Namespace) -> None:
    """Write all views of all data sets.

    Raises:
        ValueError: the folder holds a cache already, or the disk is too small.
    """
    if (args.out / INFO_FILE).is_file():
        raise ValueError(f"--out {args.out}: holds a complete cache; remove it to write another")
    whole = DATASETS.build(cfg.train_dataloader.dataset)
    writers = [
        PartWriter(args.out, dataset, number=number, weight=weight, num_views=args.views)
        for number, (dataset, weight) in enumerate(parts_of(whole))
    ]
    tokens = sample_tokens(model)
    info = TokenCacheInfo(
        parts=[writer.part for writer in writers],
        num_views=args.views,
        seed=cfg.randomness.seed,
        dtype=args.dtype,
        num_prefix=tokens.prefix.shape[-2],
        grid=tokens.grid,
        autocast=args.amp,
        augmentation=cfg.model.data_preprocessor.to_dict(),
        training_range=measure_range(whole),
        **describe_model(model),
    )
    info.begin(args.out)
    num_missing = sum(writer.num_missing for writer in writers)
    check_space(args.out, num_missing * bytes_per_frame(*tokens.all.shape[-2:], DTYPES[args.dtype]))
    make = TokenMaker(model, dtype=DTYPES[args.dtype], autocast=args.amp)
    how = dict(piece_length=args.batch_size, num_workers=cfg.train_dataloader.num_workers)
    total = args.views * sum(part.num_frames for part in info.parts)
    with tqdm(total=total, initial=total - num_missing, unit="frame") as bar:
        for writer in writers:
            for num_frames in writer.write(make, seed=info.seed, **how):
                bar.update(num_frames)
    info.finish(args.out)


def parts_of(dataset: Dataset) -> list[tuple[HandClipDataset, float]]:
    """Return the data sets of a mixture, each with its weight.

    Raises:
        ValueError: it is a stream, which has no frames to choose from.
    """
    if isinstance(dataset, MixtureDataset):
        return list(zip(dataset.datasets, dataset.weights, strict=True))
    if isinstance(dataset, HandClipDataset):
        return [(dataset, 1.0)]
    raise ValueError(
        f"train_dataloader.dataset: a {type(dataset).__name__} cannot be cached; use a"
        " HandClipDataset, or a MixtureDataset of them"
    )


@torch.no_grad()
def sample_tokens(model: nn.Module) -> HandTokens:
    """Return the tokens of a grey crop, for their shape."""
    crops = plain_crops(1, crop_size=model.data_preprocessor.crop_size)
    return model.extract_tokens(model.data_preprocessor(crops)["crops"])


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
            f" {free / GIGABYTE:.1f} GB are free; lower --views, or choose another disk"
        )


if __name__ == "__main__":
    main()
