"""Convert FreiHAND v2: ``freihand.py SRC data/shards/freihand_training --split training``.

SRC holds training/, evaluation/ and the JSON files. The labels of ``evaluation`` are those of
evaluation_xyz.json, evaluation_verts.json and evaluation_mano.json, which were released later;
without them its images have a camera and no hand labels.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.conversion.converter import View
from handvit.datasets.converters.freihand.converter import FINGERTIPS, SPLITS, FreihandConverter
from handvit.datasets.converters.freihand.files import NUM_VERSIONS
from handvit.hand_models.hand_pair import HandPair


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    add_mano_option(parser)
    parser.add_argument(
        "--num-versions",
        type=int,
        choices=range(1, NUM_VERSIONS + 1),
        default=NUM_VERSIONS,
        help="of each photo of training; 1 for those before a green screen only",
    )
    args = parser.parse_args(arguments)

    def build(view: View) -> FreihandConverter:
        return FreihandConverter(
            args.source,
            split=args.split,
            view=view,
            hands=HandPair.load(args.mano, fingertips=FINGERTIPS),
            num_versions=args.num_versions,
        )

    print(run_conversion(parser, args, build))


if __name__ == "__main__":
    main()
