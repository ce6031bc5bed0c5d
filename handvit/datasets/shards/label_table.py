"""Hold the labels of a shard as an array, which takes no parsing.

The array says what the JSON records of the shard say. Parsing one of those takes a tenth of the
time of decoding an image, which is too much for training.
"""

import json
from collections.abc import Sequence

import numpy as np

from handvit.structures import HandSample

_ARRAYS = {
    "bbox_xyxy": 4,
    "focal": 2,
    "princpt": 2,
    "keypoints_img": (21, 2),
    "keypoints_cam": (21, 3),
    "global_orient": 3,
    "hand_pose": 45,
    "betas": 10,
    "mano_root_cam": 3,
    "keypoints_img_valid": 21,
    "keypoints_cam_valid": 21,
}
_FLAGS = ("is_right", "camera_valid", "mano_valid")
_TEXTS = ("sample_id", "extra")

#: All fields of a ``HandSample`` that are numbers; units and frames are its own.
NUMBERS_DTYPE = np.dtype(
    [
        ("frame_time", "<f8"),
        ("mano_residual", "<f8"),  # NaN where not known
        ("image_size", "<i4", 2),
        *((name, "?" if name.endswith("_valid") else "<f8", n) for name, n in _ARRAYS.items()),
        *((name, "?") for name in _FLAGS),
    ]
)


def number_table(samples: Sequence[HandSample]) -> np.ndarray:
    """Return the numbers of samples, (N,) NUMBERS_DTYPE."""
    table = np.zeros(len(samples), NUMBERS_DTYPE)
    for name in NUMBERS_DTYPE.names:
        table[name] = [getattr(sample, name) for sample in samples]  # None becomes NaN
    return table


def label_table(samples: Sequence[HandSample]) -> np.ndarray:
    """Return all of samples but their images: NUMBERS_DTYPE, then texts, in rows of one length."""
    sample_id = np.array([sample.sample_id.encode() for sample in samples])
    extra = np.array([json.dumps(sample.extra).encode() for sample in samples])
    texts = zip(_TEXTS, (sample_id.dtype, extra.dtype), strict=True)
    table = np.zeros(len(samples), np.dtype([*NUMBERS_DTYPE.descr, *texts]))
    table[list(NUMBERS_DTYPE.names)] = number_table(samples)
    table["sample_id"], table["extra"] = sample_id, extra
    return table


def to_sample(label: np.void, image: bytes) -> HandSample:
    """Return the sample of a row of ``label_table``; its arrays are views of the row."""
    residual = float(label["mano_residual"])
    return HandSample(
        sample_id=label["sample_id"].decode(),
        image=image,
        image_size=tuple(label["image_size"].tolist()),
        frame_time=float(label["frame_time"]),
        mano_residual=None if np.isnan(residual) else residual,
        extra=json.loads(label["extra"]),
        **{name: label[name] for name in _ARRAYS},
        **{name: bool(label[name]) for name in _FLAGS},
    )
