"""Convert HO-3D: ``ho3d.py SRC data/shards/ho3d_v3_train --version v3 --split train``.

SRC holds train/, evaluation/, train.txt and evaluation.txt. The labels of ``evaluation`` are the
wrist and a box, unless --ground-truth names the folder of evaluation_xyz.json and
evaluation_verts.json.
"""

from collections.abc import Sequence
from pathlib import Path

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.conversion.converter import View
from handvit.datasets.converters.ho3d.converter import SPLITS, Ho3dConverter
from handvit.datasets.converters.ho3d.files import IMAGE_SUFFIXES
from handvit.hand_models.hand_pair import HandPair


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    add_mano_option(parser)
    parser.add_argument("--version", choices=sorted(IMAGE_SUFFIXES), required=True)
    parser.add_argument("--ground-truth", type=Path, metavar="FOLDER", help="of evaluation_*.json")
    args = parser.parse_args(arguments)

    def build(view: View) -> Ho3dConverter:
        return Ho3dConverter(
            args.source,
            split=args.split,
            version=args.version,
            view=view,
            hands=HandPair.load(args.mano) if args.split == "train" else None,
            ground_truth=args.ground_truth,
        )

    print(run_conversion(parser, args, build))


if __name__ == "__main__":
    main()
