"""Repeat a failed iteration: ``replay_batch.py WORK_DIR/failures/iter_N_rankR.pt``.

A training writes this file before it stops for a loss or gradient that is NaN or infinite. Model,
precision and random numbers are those of the training. Exit code 0: the same failed again.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.device import get_device
from torch import Tensor

from handvit.engine.failure_dump import read_failure
from handvit.engine.launch import prepare_environment
from handvit.engine.replay import Replay, replay
from handvit.structures import HandCrops
from handvit.visualization import draw_labels, draw_skeleton, tile_images

LISTED = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay, print what was found, and draw what the model saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("failure", type=Path, help="the .pt file that the training names")
    parser.add_argument("--device", default=get_device(), help="default: a GPU if there is one")
    parser.add_argument("--out", type=Path, help="picture of the crops; default: beside the file")
    parser.add_argument(
        "--anomaly",
        action="store_true",
        help="let torch name the operation whose gradient is NaN, and where it was called; slow",
    )
    args = parser.parse_args(arguments)
    prepare_environment(local_rank=0)
    try:
        failure = read_failure(args.failure)
    except ValueError as error:
        sys.exit(str(error))

    found = replay(failure, args.device)
    print_findings(failure, found)
    if found.crops.crop.numel():  # there are no pixels in a token cache
        write_picture(found, args.out or args.failure.with_suffix(".png"))
    if args.anomaly:
        print(f"anomaly: {find_anomaly(failure, args.device)}")
    is_reproduced = found.reproduces(failure["findings"])
    print("reproduced" if is_reproduced else f"not reproduced{advice(failure)}")
    sys.exit(0 if is_reproduced else 1)


def print_findings(failure: dict[str, Any], found: Replay) -> None:
    """Print where numbers stop being finite, from the inputs to the gradients."""
    print(
        f"iteration {failure['iter'] + 1}, rank {failure['rank']} of {failure['world_size']},"
        f" seed {failure['seed']}"
    )
    print("samples:", *failure["sample_ids"], sep="\n  ")
    print("inputs:", *describe_tensors(found.crops), sep="\n  ")
    spoilt = failure["findings"].weights
    print(f"weights that were not finite before: {some(spoilt)}")
    print("losses:", *(f"{name} {value:.4g}" for name, value in found.losses.items()), sep="\n  ")
    print(f"first module whose output is not finite: {found.first_module or 'none'}")
    print(f"parameters whose gradients are not finite: {some(found.gradients)}")


def describe_tensors(value: Any, name: str = "") -> Iterator[str]:
    """Give the range of each number in nested named tuples."""
    if hasattr(value, "_fields"):
        for field, item in value._asdict().items():
            yield from describe_tensors(item, f"{name}.{field}" if name else field)
    elif isinstance(value, Tensor) and value.is_floating_point() and value.numel():
        finite = value[value.isfinite()]
        span = f"{finite.min():.4g} to {finite.max():.4g}" if len(finite) else "nothing finite"
        num_others = value.numel() - finite.numel()
        yield f"{name} {span}" + (f", {num_others} NaN or infinite" if num_others else "")


def write_picture(found: Replay, out: Path) -> None:
    """Write what the model saw, and say where."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(out), draw_crops(found)[..., ::-1]):
        raise OSError(f"--out {out}: could not be written")
    print(f"crops: {out}")


def draw_crops(found: Replay) -> np.ndarray:
    """Draw the last frame of each clip and its keypoints, uint8 RGB."""
    preprocessor = found.model.data_preprocessor
    crops = found.crops.last_frame()
    pixels = (crops.crop[:, 0] * preprocessor.std + preprocessor.mean).nan_to_num()
    images = (255 * pixels.clamp(0, 1)).byte().permute(0, 2, 3, 1).cpu().numpy()  # (B, S, S, 3)
    return tile_images([_draw_crop(images[n], crops, n) for n in range(len(images))], columns=8)


def _draw_crop(image: np.ndarray, crops: HandCrops, hand: int) -> np.ndarray:
    keypoints = crops.keypoints_crop[hand, 0]
    valid = crops.labels.keypoints_img_valid[hand, 0] & keypoints.isfinite().all(-1)
    picture = draw_skeleton(image, keypoints.nan_to_num().cpu().numpy(), valid.cpu().numpy())
    return draw_labels(picture, [str(hand)])


def find_anomaly(failure: dict[str, Any], device: str) -> str:
    """Replay with torch's anomaly detection, which prints the forward call to stderr."""
    try:
        with torch.autograd.detect_anomaly():
            replay(failure, device)
    except RuntimeError as error:
        return str(error)
    return "none"


def advice(failure: dict[str, Any]) -> str:
    """Say why the same may not have failed here."""
    if failure["world_size"] > 1 and not failure["findings"].losses:
        return ": gradients are summed over processes; replay the files of the other ranks"
    return ": another device, library version or thread count computes other numbers"


def some(names: Sequence[str]) -> str:
    """List the first few names."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{len(names)}: {', '.join(names[:LISTED])}{more}" if names else "none"


if __name__ == "__main__":
    main()
