"""Read the annotations of FreiHAND: one entry for each photo, however it was composed."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.datasets.converters.freihand.mano import MANO_SHAPE
from handvit.datasets.converters.json_arrays import load_json_arrays
from handvit.structures.skeleton import NUM_KEYPOINTS, NUM_VERTICES

HINT = "get FreiHAND v2 from the Computer Vision Group, University of Freiburg"
#: Photos of a split.
NUM_PHOTOS = {"training": 32_560, "evaluation": 3_960}
#: The versions of a photo of ``training``: before its green screen, and with three kinds of
#: backgrounds. Image ``photo + 32560 * version`` shows it.
NUM_VERSIONS = 4
_SHAPES = {
    "K": (3, 3),
    "xyz": (NUM_KEYPOINTS, 3),
    "verts": (NUM_VERTICES, 3),
    "mano": MANO_SHAPE,
}


class FreihandLabels(NamedTuple):
    """Hold the labels of all photos of a split, in metres and OpenCV axes."""

    intrinsics: np.ndarray  # (N, 3, 3) px
    keypoints: np.ndarray | None  # (N, 21, 3) canonical order; None where they are not released
    vertices: np.ndarray | None  # (N, 778, 3) as keypoints
    mano: np.ndarray | None  # (N, 1, 61), see ``freihand_mano``


def load_labels(root: Path, split: str) -> FreihandLabels:
    """Load the labels of ``training``, or what has been released of those of ``evaluation``.

    Raises:
        ValueError: a file is missing, damaged, or has another number of entries than published.
    """
    paths = {name: root / f"{split}_{name}.json" for name in _SHAPES}
    wanted = set(_SHAPES) if split == "training" else {"K"}
    wanted |= {name for name, path in paths.items() if path.is_file()}
    if wanted > {"K"}:
        wanted |= {"xyz", "verts"}
    return FreihandLabels(
        *(
            _load(paths[name], shape, NUM_PHOTOS[split]) if name in wanted else None
            for name, shape in _SHAPES.items()
        )
    )


def photo_of(image: int, split: str) -> int:
    """Return which photo an image shows, and so which labels are its own."""
    return image % NUM_PHOTOS[split]


def _load(path: Path, shape: tuple[int, ...], num_photos: int) -> np.ndarray:
    try:
        array = load_json_arrays(path, shape)
    except ValueError as error:
        raise ValueError(f"{error}; {HINT}") from error
    if len(array) != num_photos:
        raise ValueError(f"{path}: {len(array)} entries, want {num_photos}; {HINT}")
    return array
