"""Look at a data set, or at what a training makes of it.

    python tools/misc/browse_dataset.py ROOT --out FILE.png
    python tools/misc/browse_dataset.py --config CONFIG [--iteration N] --out FILE.png

The first draws samples and their keypoints, taken at even distances, so that all sequences show up.
The second draws the very crops that iteration N of a training on one process sees, mirrored and
augmented, with their keypoints and meshes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tqdm import tqdm

from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.engine.hooks.iter_seed_hook import seed_iteration
from handvit.engine.launch import load_config, prepare_environment
from handvit.registry import MODELS
from handvit.structures import HandSample
from handvit.structures.skeleton import WRIST
from handvit.visualization import (
    draw_labels,
    draw_skeleton,
    move_points,
    tile_images,
    zoom_to_box,
)
from handvit.visualization.crop_pictures import draw_hand_in_crop
from handvit.visualization.drawn_hands import crop_pictures, labelled_hands

BOX_COLOR = (255, 255, 255)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and write the contact sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, nargs="?", help="data set folder")
    parser.add_argument("--config", help="draw what a training with this recipe sees")
    parser.add_argument("--iteration", type=int, default=0, help="of that training, from 0 on")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True, help=".png or .jpg file to write")
    parser.add_argument("--num-samples", type=int, default=24, help="pictures on the sheet")
    parser.add_argument("--columns", type=int, default=6, help="pictures in a row")
    parser.add_argument("--size", type=int, default=256, help="side of a picture in px")
    args = parser.parse_args(arguments)
    if args.out.suffix not in (".png", ".jpg"):
        parser.error(f"--out {args.out}: must end in .png or .jpg")

    if (args.root is None) == (args.config is None):
        parser.error("give either ROOT or --config CONFIG")
    pictures, summary = draw_training(args) if args.config else draw_samples(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet = tile_images(pictures, columns=args.columns)
    if not cv2.imwrite(str(args.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{args.out}: could not be written")
    print(f"{args.out}: {summary}")


def draw_samples(args: argparse.Namespace) -> tuple[list[np.ndarray], str]:
    """Draw stored samples of a data set."""
    reader = ShardReader(args.root)
    rows = np.linspace(0, len(reader) - 1, min(args.num_samples, len(reader))).round().astype(int)
    pictures = [draw_sample(reader.read_sample(row), args.size) for row in tqdm(rows, unit="hand")]
    return pictures, f"{len(rows)} of the {len(reader)} samples of {reader.info.name}"


def draw_training(args: argparse.Namespace) -> tuple[list[np.ndarray], str]:
    """Draw the crops of one iteration; the backbone is not built."""
    prepare_environment(local_rank=0)
    init_default_scope("handvit")
    cfg = load_config(args.config, args.cfg_options)
    seed = cfg.randomness.seed
    loader_cfg = {**cfg.train_dataloader, "num_workers": 0, "persistent_workers": False}
    loader = Runner.build_dataloader(loader_cfg, seed=seed)
    loader.sampler.set_start(args.iteration, batch_size=loader.batch_size)
    batch = next(iter(loader))
    preprocessor, hand_model = (
        MODELS.build(part) for part in (cfg.model.data_preprocessor, cfg.model.hand_model)
    )
    seed_iteration(seed, 0, args.iteration)
    crops = preprocessor(batch, training=True)["crops"].last_frame()
    hands = labelled_hands(crops, hand_model, args.num_samples)
    pictures = [
        draw_hand_in_crop(picture, hand, faces=hand_model.faces.numpy(), title=[side])
        for picture, hand, side in zip(
            crop_pictures(crops, preprocessor, args.num_samples),
            hands,
            ["left, mirrored" if mirrored else "right" for mirrored in crops.is_mirrored[:, 0]],
            strict=False,
        )
    ]
    return pictures, f"{len(pictures)} hands of iteration {args.iteration} with {args.config}"


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
