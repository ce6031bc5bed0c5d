"""Convert AssemblyHands: ``assemblyhands.py SRC data/shards/assemblyhands_val --split val``.

SRC holds images/ego_images_rectified/ and annotations/SPLIT/ of https://assemblyhands.github.io.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import converter_parser, run_conversion
from handvit.datasets.converters.assemblyhands.converter import SPLITS, AssemblyHandsConverter


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser,
            args,
            lambda view: AssemblyHandsConverter(args.source, split=args.split, view=view),
        )
    )


if __name__ == "__main__":
    main()
