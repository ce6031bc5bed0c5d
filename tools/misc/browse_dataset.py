"""Look at a data set: ``browse_dataset.py ROOT --out FILE.png`` draws samples and their keypoints.

Samples are taken at even distances, so that all sequences show up.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.structures import HandSample
from handvit.structures.skeleton import WRIST
from handvit.visualization import (
    draw_labels,
    draw_skeleton,
    move_points,
    tile_images,
    zoom_to_box,
)

BOX_COLOR = (255, 255, 255)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and write the contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="data set folder")
    parser.add_argument("--out", type=Path, required=True, help=".png or .jpg file to write")
    parser.add_argument("--num-samples", type=int, default=24, help="pictures on the sheet")
    parser.add_argument("--columns", type=int, default=6, help="pictures in a row")
    parser.add_argument("--size", type=int, default=256, help="side of a picture in px")
    args = parser.parse_args(arguments)
    if args.out.suffix not in (".png", ".jpg"):
        parser.error(f"--out {args.out}: must end in .png or .jpg")

    reader = ShardReader(args.root)
    rows = np.linspace(0, len(reader) - 1, min(args.num_samples, len(reader))).round().astype(int)
    pictures = [draw_sample(reader.read_sample(row), args.size) for row in tqdm(rows, unit="hand")]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet = tile_images(pictures, columns=args.columns)
    if not cv2.imwrite(str(args.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{args.out}: could not be written")
    print(f"{args.out}: {len(rows)} of the {len(reader)} samples of {reader.info.name}")


def draw_sample(sample: HandSample, size: int) -> np.ndarray:
    """Draw box and keypoints of one hand, (size, size, 3) uint8 RGB."""
    image = decode_image(sample.image, sample.image_size)
    picture, homography = zoom_to_box(image, sample.bbox_xyxy, size=size, expand=1.8)
    corners = move_points(homography, sample.bbox_xyxy.reshape(2, 2)).round().astype(int).tolist()
    cv2.rectangle(picture, corners[0], corners[1], BOX_COLOR, 1)
    keypoints_img = move_points(homography, sample.keypoints_img)
    picture = draw_skeleton(picture, keypoints_img, sample.keypoints_img_valid)
    return draw_labels(picture, caption(sample))


def caption(sample: HandSample) -> list[str]:
    """Name the hand, and how far away it is where that is known."""
    _, sequence, camera, frame, side = sample.sample_id.split("/")
    known = sample.keypoints_cam_valid[WRIST] and sample.camera_valid
    depth = f"z {sample.keypoints_cam[WRIST, 2]:.3f} m" if known else "z unknown"
    return [f"{sequence}/{camera}/{frame}", f"{side}, {depth}"]


if __name__ == "__main__":
    main()
