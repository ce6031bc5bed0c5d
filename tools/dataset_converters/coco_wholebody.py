"""Convert COCO-WholeBody's hands: ``coco_wholebody.py SRC data/shards/coco_train --split train``.

SRC holds COCO's ``train2017/`` and ``val2017/`` and the two files of COCO-WholeBody v1.0 as
``annotations/coco_wholebody_train_v1.0.json`` and ``annotations/coco_wholebody_val_v1.0.json``.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import converter_parser, run_conversion
from handvit.datasets.converters.coco_wholebody.converter import SPLITS, CocoWholeBodyConverter


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser,
            args,
            lambda view: CocoWholeBodyConverter(args.source, split=args.split, view=view),
        )
    )


if __name__ == "__main__":
    main()
