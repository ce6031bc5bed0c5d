"""Convert the hand-graph real-world set: ``handgraph.py SRC data/handgraph/train --split train``.

SRC is data/real_world_testset of https://github.com/3d-hand-shape/hand-graph-cnn. Its images are
crops already; they are stored as they are (``--full-frame`` is implied).
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import converter_parser, run_conversion
from handvit.datasets.conversion.view import FullFrameView
from handvit.datasets.converters.handgraph import SPLITS, HandGraphConverter


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=sorted(SPLITS))
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser,
            args,
            lambda view: HandGraphConverter(args.source, split=args.split, view=FullFrameView()),
        )
    )


if __name__ == "__main__":
    main()
