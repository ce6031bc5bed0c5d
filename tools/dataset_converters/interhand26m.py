"""Convert InterHand2.6M: ``interhand26m.py SRC data/shards/interhand26m_test --split test``.

SRC holds images/SPLIT/ and annotations/SPLIT/ of https://mks0601.github.io/InterHand2.6M. The
MANO_NeuralAnnot file must be among the annotations, or add --without-mano to convert joints alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.conversion.converter import View
from handvit.datasets.converters.interhand26m.annotations import HAND_TYPES, HINT, annotation_path
from handvit.datasets.converters.interhand26m.converter import SPLITS, InterHandConverter
from handvit.datasets.converters.interhand26m.subset import AnnotationList, Subset
from handvit.datasets.converters.interhand26m.times import RELEASES
from handvit.hand_models.hand_pair import HandPair

#: Its vertices are the tips of the regressor that comes with the data set, but for a neighbour of
#: the right middle finger's.
FINGERTIPS = "manopth"


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    add_mano_option(parser)
    parser.add_argument(
        "--without-mano",
        action="store_true",
        help="write no MANO labels; needs neither the MANO_NeuralAnnot file nor --mano",
    )
    parser.add_argument(
        "--fps", type=int, choices=RELEASES, default=RELEASES[0], help="of the release"
    )
    parser.add_argument(
        "--hand-types", nargs="+", choices=tuple(HAND_TYPES), default=tuple(HAND_TYPES)
    )
    parser.add_argument(
        "--annotation-ids",
        type=Path,
        metavar="FILE",
        help="list of the human-annotated images, one annotation id a line; take only those",
    )
    parser.add_argument(
        "--machine-annotated",
        action="store_true",
        help="take the images that are not on the list of --annotation-ids instead; the official"
        " subset M of train holds 76,457 images more, which are on the list",
    )
    args = parser.parse_args(arguments)
    if args.machine_annotated and args.annotation_ids is None:
        parser.error("--machine-annotated needs --annotation-ids FILE, the list to leave out")
    print(run_conversion(parser, args, lambda view: _build(args, view)))


def _build(args: argparse.Namespace, view: View) -> InterHandConverter:
    listed = None
    if args.annotation_ids is not None:
        listed = AnnotationList(args.annotation_ids, inside=not args.machine_annotated)
    return InterHandConverter(
        args.source,
        split=args.split,
        view=view,
        fps=args.fps,
        subset=Subset(hand_types=tuple(args.hand_types), listed=listed),
        hands=None if args.without_mano else _load_hands(args),
    )


def _load_hands(args: argparse.Namespace) -> HandPair:
    path = annotation_path(args.source, args.split, "MANO_NeuralAnnot")
    # Asked for first: who has no fits needs no hand model either.
    if not path.is_file():
        raise ValueError(f"{path}: not found; {HINT}, or add --without-mano")
    return HandPair.load(args.mano, fingertips=FINGERTIPS)


if __name__ == "__main__":
    main()
