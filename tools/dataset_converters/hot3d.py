"""Convert HOT3D-Clips: ``hot3d.py SRC data/shards/hot3d_train --split train``.

SRC holds clip_definitions.json, clip_splits.json, train_aria/ and train_quest3/ with clip-*.tar, as
in the folder hot3d of https://huggingface.co/datasets/bop-benchmark/datasets. Clips that are not
downloaded are counted and left out. The labels of the test splits are not public, so the only split
is train.
"""

import argparse
from collections.abc import Sequence

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.conversion.converter import View
from handvit.datasets.converters.hot3d.clips import SPLIT, STREAMS
from handvit.datasets.converters.hot3d.converter import Hot3dConverter
from handvit.datasets.converters.rectified_view import RectifiedView
from handvit.hand_models.hand_pair import HandPair


def build(args: argparse.Namespace, view: View) -> Hot3dConverter:
    """Make the converter that the arguments ask for."""
    devices = [args.device] if args.device else list(STREAMS)
    streams = {
        device: [
            stream for stream in STREAMS[device] if stream in (args.streams or STREAMS[device])
        ]
        for device in devices
    }
    return Hot3dConverter(
        args.source,
        view=RectifiedView(view),
        hands=HandPair.load(args.mano),
        streams=streams,
        min_visibility=args.min_visibility,
        participants=args.participants,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert the clips that are there."""
    parser = converter_parser(__doc__, splits=[SPLIT])
    add_mano_option(parser)
    parser.add_argument("--device", choices=sorted(STREAMS), help="default: both")
    parser.add_argument(
        "--streams",
        nargs="+",
        choices=sorted({*sum(STREAMS.values(), ())}),
        help="cameras, 214-1 in colour, the others grey; default: all",
    )
    parser.add_argument(
        "--min-visibility",
        type=float,
        default=0.1,
        help="share of a hand that hands and objects must leave visible",
    )
    parser.add_argument(
        "--participants", nargs="+", default=(), metavar="P0001", help="whose clips; default: all"
    )
    args = parser.parse_args(arguments)
    print(run_conversion(parser, args, lambda view: build(args, view)))


if __name__ == "__main__":
    main()
