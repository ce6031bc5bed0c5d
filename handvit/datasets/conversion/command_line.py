"""Give all converters the same command line."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from handvit.datasets.conversion.conversion import MANIFEST_FILE, Part, convert
from handvit.datasets.conversion.converter import Converter, View
from handvit.datasets.conversion.view import CropView, FullFrameView


def converter_parser(doc: str, *, splits: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser with the options that all converters share; add more to it."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of the data set as downloaded")
    parser.add_argument("destination", type=Path, help="new folder, such as data/shards/NAME_train")
    parser.add_argument("--split", choices=splits, required=True)
    parser.add_argument("--num-workers", type=int, default=_num_cores(), help="processes")
    parser.add_argument("--num-shards", type=int, help="default: one for about 5000 frames")
    parser.add_argument(
        "--shard-index", type=int, help="write this shard only, as one job of a cluster's array"
    )
    parser.add_argument("--resume", action="store_true", help="keep the shards that are finished")
    parser.add_argument("--image-size", type=int, default=384, help="largest side of a crop, px")
    parser.add_argument("--context", type=float, default=2.5, help="side of a crop in hand boxes")
    parser.add_argument("--full-frame", action="store_true", help="store whole images, not crops")
    return parser


def add_mano_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--mano``, for data sets whose labels are MANO parameters."""
    parser.add_argument(
        "--mano",
        default="data/mano",
        metavar="FOLDER",
        help="with MANO_RIGHT.npz and MANO_LEFT.npz of tools/misc/setup_mano.py, or 'openhand'",
    )


def run_conversion(
    parser: argparse.ArgumentParser, args: argparse.Namespace, build: Callable[[View], Converter]
) -> str:
    """Convert what the arguments ask for and return what came of it, for printing.

    Errors that a user can mend end the process with one line and status 1, Ctrl-C with 130.

    Args:
        args: what ``parser``, a ``converter_parser``, returned.
        build: makes the converter from the view that the arguments describe.
    """
    try:
        return _convert(args, build)
    except ValueError as error:
        parser.exit(1, f"error: {error}\n")
    except OSError as error:  # a full disk, a lost mount
        parser.exit(1, f"error: {error}; when it is mended, add --resume to go on\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted; repeat the command with --resume to go on\n")


def _convert(args: argparse.Namespace, build: Callable[[View], Converter]) -> str:
    view = FullFrameView() if args.full_frame else CropView(args.image_size, args.context)
    if not args.source.exists():
        raise ValueError(f"{args.source}: no such folder")
    part = Part(num_shards=args.num_shards, shard_index=args.shard_index, resume=args.resume)
    converter = build(view)
    total = sum(unit.num_frames for unit in converter.units())
    with tqdm(total=total if part.shard_index is None else None, unit="frame") as bar:
        info = convert(
            converter, args.destination, part, num_workers=args.num_workers, report=bar.update
        )
    if info is None:
        return f"{args.destination}: shard {args.shard_index} is finished, others are still missing"
    return (
        f"{args.destination}: {info.num_samples} samples in {len(info.shards)} shards;"
        f" what was left out and why: {args.destination / MANIFEST_FILE}"
    )


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
