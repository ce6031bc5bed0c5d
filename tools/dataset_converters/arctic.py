"""Convert ARCTIC: ``arctic.py SRC data/shards/arctic_p2_train --split p2_train``.

SRC is the unpacked arctic_data/data of https://arctic.is.tue.mpg.de with raw_seqs/, meta/,
splits_json/ and images/. Protocol p1 has eight static views, p2 the view of the camera on the head,
whose images are freed of lens distortion.
"""

from collections.abc import Sequence

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.converters.arctic.converter import SPLITS, ArcticConverter
from handvit.datasets.converters.arctic.hands import load_hands
from handvit.datasets.converters.arctic.views import FULL_IMAGES, IMAGE_SCALES


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = converter_parser(__doc__, splits=list(SPLITS))
    add_mano_option(parser)
    parser.add_argument(
        "--images",
        choices=list(IMAGE_SCALES),
        default=FULL_IMAGES,
        help="folder of SRC to take images from; cropped_images has the ego view at 840 x 600 px",
    )
    args = parser.parse_args(arguments)
    print(
        run_conversion(
            parser,
            args,
            lambda view: ArcticConverter(
                args.source,
                split=args.split,
                view=view,
                hands=load_hands(args.mano),
                images=args.images,
            ),
        )
    )


if __name__ == "__main__":
    main()
