"""Convert RHD: ``rhd.py SRC data/shards/rhd_training --split training``.

SRC is ``RHD_published_v2/`` with ``training/`` and ``evaluation/`` in it.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import converter_parser, run_conversion
from handvit.datasets.converters.rhd import SPLITS, RhdConverter


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser, args, lambda view: RhdConverter(args.source, split=args.split, view=view)
        )
    )


if __name__ == "__main__":
    main()
