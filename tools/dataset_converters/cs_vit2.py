"""Convert CS-ViT2's shards: ``cs_vit2.py SRC data/shards/cs_vit2_train --split train``.

SRC is a folder with exported tars of one split, at any depth. ``--split`` names the result.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.converters.cs_vit2.converter import (
    SPLITS,
    TIMESTAMP_UNITS,
    CsVit2Converter,
    CsVit2Options,
)
from handvit.datasets.converters.cs_vit2.hand import MANO_POSES
from handvit.hand_models.hand_pair import HandPair


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one folder of tars."""
    default = CsVit2Options()
    parser = converter_parser(__doc__, splits=SPLITS)
    add_mano_option(parser)
    parser.add_argument(
        "--mano-pose",
        choices=tuple(MANO_POSES),
        default=default.mano_pose,
        help="what mano_pose holds: absolute angles, or offsets from MANO's mean pose",
    )
    parser.add_argument(
        "--timestamp-unit", choices=tuple(TIMESTAMP_UNITS), default=default.timestamp_unit
    )
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser,
            args,
            lambda view: CsVit2Converter(
                args.source,
                split=args.split,
                view=view,
                hands=HandPair.load(args.mano),
                options=CsVit2Options(args.mano_pose, args.timestamp_unit),
            ),
        )
    )


if __name__ == "__main__":
    main()
