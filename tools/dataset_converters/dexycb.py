"""Convert DexYCB: ``dexycb.py SRC data/shards/dexycb_s0_train --split s0_train``.

SRC holds the ten subjects, 20200709-subject-01 to 20201022-subject-10, and calibration/, as
downloaded from https://dex-ycb.github.io. The split is the setup (s0 unseen recordings, s1 people,
s2 cameras, s3 grasped objects) and its part.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.converters.dexycb.converter import DexYcbConverter, load_hands
from handvit.datasets.converters.dexycb.splits import SPLITS


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=list(SPLITS))
    add_mano_option(parser)
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser,
            args,
            lambda view: DexYcbConverter(
                args.source, split=args.split, view=view, hands=load_hands(args.mano)
            ),
        )
    )


if __name__ == "__main__":
    main()
