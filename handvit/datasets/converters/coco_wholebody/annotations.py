"""Read the hands out of COCO-WholeBody's annotation files, without keeping the rest.

The training file is about a gigabyte of JSON with 133 keypoints a person. Each person is reduced to
its hands while the file is being parsed, so that the whole never lies in memory as Python objects.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handvit.structures.skeleton import NUM_KEYPOINTS

SIDES = ("left", "right")
_NUM_HAND_NUMBERS = 3 * NUM_KEYPOINTS
_WHERE = (
    "get the v1.0 annotations of the training and validation set from"
    " https://github.com/jin-s13/COCO-WholeBody"
)
_PERSON_KEYS = {
    "id", "image_id", "iscrowd",
    *(f"{side}hand_{name}" for side in SIDES for name in ("box", "kpts", "valid")),
}  # fmt: skip
_IMAGE_KEYS = {"id", "file_name", "width", "height"}


class CocoImage(NamedTuple):
    """Hold what is needed of an image's record."""

    image_id: int
    file_name: str
    size: tuple[int, int]  # width, height in px


class CocoHands(NamedTuple):
    """Hold M annotated hands, sorted by image, person and side (left first)."""

    image_id: np.ndarray  # (M,) int64
    person_id: np.ndarray  # (M,) int64
    is_right: np.ndarray  # (M,) bool
    box_xywh: np.ndarray  # (M, 4) px
    keypoints: np.ndarray  # (M, 21, 3) px, px, confidence


def load_annotations(path: Path) -> tuple[dict[int, CocoImage], CocoHands]:
    """Return the images by their id, and all hands that are flagged as valid and are no crowd.

    Raises:
        ValueError: the file is missing, cut, or not one of COCO-WholeBody; names it and the fix.
    """
    if not path.is_file():
        raise ValueError(f"{path}: not found; {_WHERE}")
    try:
        with path.open("rb") as file:
            content = json.load(file, object_hook=_reduce)
        images, persons = _split(content)
        hands = _join([hand for person in persons for hand in person])
        _check_images(hands, images)
    except ValueError as error:
        raise ValueError(f"{path}: no readable COCO-WholeBody file: {error}; {_WHERE}") from error
    return images, hands


def _reduce(record: dict[str, Any]) -> Any:
    """Replace each JSON object by what is kept of it, innermost objects first."""
    if record.keys() >= _PERSON_KEYS:
        return [_hand(record, side) for side in SIDES if _is_hand(record, side)]
    if record.keys() >= _IMAGE_KEYS:
        size = (int(record["width"]), int(record["height"]))
        return CocoImage(int(record["id"]), str(record["file_name"]), size)
    return record


def _is_hand(person: dict[str, Any], side: str) -> bool:
    return bool(person[f"{side}hand_valid"]) and not person["iscrowd"]


def _hand(person: dict[str, Any], side: str) -> tuple[int, int, bool, np.ndarray]:
    """Return image, person, side, and box and keypoints in one array, (4 + 63,)."""
    try:
        box = np.array(person[f"{side}hand_box"], np.float64)
        keypoints = np.array(person[f"{side}hand_kpts"], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"annotation {person['id']}: {side} hand holds no numbers") from error
    if box.shape != (4,) or keypoints.shape != (_NUM_HAND_NUMBERS,):
        raise ValueError(
            f"annotation {person['id']}: {side}hand_box has shape {box.shape} and {side}hand_kpts"
            f" {keypoints.shape}, want (4,) and ({_NUM_HAND_NUMBERS},)"
        )
    numbers = np.concatenate([box, keypoints])
    return int(person["image_id"]), int(person["id"]), side == "right", numbers


def _split(content: Any) -> tuple[dict[int, CocoImage], list[list]]:
    """Return images by their id and what ``_reduce`` left of each person."""
    if not isinstance(content, dict) or not content.keys() >= {"images", "annotations"}:
        raise ValueError("want an object with 'images' and 'annotations'")
    images, persons = content["images"], content["annotations"]
    if not all(isinstance(image, CocoImage) for image in images):
        raise ValueError(f"an image lacks one of {sorted(_IMAGE_KEYS)}")
    if not all(isinstance(person, list) for person in persons):
        raise ValueError(f"an annotation lacks one of {sorted(_PERSON_KEYS)}")
    return {image.image_id: image for image in images}, persons


def _join(hands: list[tuple[int, int, bool, np.ndarray]]) -> CocoHands:
    if not hands:
        raise ValueError("no hand in it is valid")
    hands.sort(key=lambda hand: hand[:3])
    image_id, person_id, is_right, numbers = map(np.array, zip(*hands, strict=True))
    keypoints = numbers[:, 4:].reshape(-1, NUM_KEYPOINTS, 3)  # (M, 21, 3)
    return CocoHands(image_id, person_id, is_right, numbers[:, :4], keypoints)


def _check_images(hands: CocoHands, images: dict[int, CocoImage]) -> None:
    for image_id, person_id in zip(hands.image_id, hands.person_id, strict=True):
        if image_id not in images:
            raise ValueError(f"annotation {person_id}: its image {image_id} is not in 'images'")
