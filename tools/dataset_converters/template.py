"""Convert your own data: ``template.py SRC data/shards/mine_train --split train``.

Copy this script and ``handvit/datasets/converters/template.py``, which says what SRC holds. Looking
at the result: ``python tools/misc/browse_dataset.py data/shards/mine_train --out sheet.png``.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import converter_parser, run_conversion
from handvit.datasets.converters.template import SPLITS, TemplateConverter


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=SPLITS)
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser, args, lambda view: TemplateConverter(args.source, split=args.split, view=view)
        )
    )


if __name__ == "__main__":
    main()
