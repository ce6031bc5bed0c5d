"""Read the labels of a data set into a table, whole tracks at a time."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from handvit.datasets.doctor.label_table import BadRecord, LabelTable
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS

#: Images that are decoded, spread evenly over the samples: all would take far longer than labels.
MAX_DECODED = 2000

#: Called with the number of samples read since the last call.
Report = Callable[[int], Any]

#: Column -> shape and type of an entry. All but the last three are fields of ``HandSample``.
_COLUMNS: dict[str, tuple[tuple[int, ...], type]] = {
    "image_size": ((2,), np.float64),
    "is_right": ((), np.bool_),
    "bbox_xyxy": ((4,), np.float64),
    "focal": ((2,), np.float64),
    "princpt": ((2,), np.float64),
    "camera_valid": ((), np.bool_),
    "frame_time": ((), np.float64),
    "keypoints_img": ((NUM_KEYPOINTS, 2), np.float32),
    "keypoints_img_valid": ((NUM_KEYPOINTS,), np.bool_),
    "keypoints_cam": ((NUM_KEYPOINTS, 3), np.float32),
    "keypoints_cam_valid": ((NUM_KEYPOINTS,), np.bool_),
    "mano_valid": ((), np.bool_),
    "global_orient": ((3,), np.float32),
    "hand_pose": ((45,), np.float32),
    "betas": ((10,), np.float32),
    "mano_root_cam": ((3,), np.float32),
    "frame_size": ((2,), np.float64),
    "crop_bbox_xyxy": ((4,), np.float64),
    "image_digest": ((), np.uint64),
}
_CROP_KEYS = ("frame_size", "crop_bbox_xyxy")


def choose_rows(track: np.ndarray, *, max_samples: int, seed: int) -> np.ndarray:
    """Choose whole tracks at random until there are enough samples, in the order of the shards.

    Checks of motion need neighbours in time, so rows are not drawn one by one; of the last track
    only the beginning is taken.

    Args:
        track: (N,) number of each row's track.

    Returns:
        (min(N, max_samples),) rows, increasing.
    """
    if len(track) <= max_samples:
        return np.arange(len(track))
    order = np.random.default_rng(seed).permutation(int(track.max()) + 1)
    rows = np.argsort(order[track], kind="stable")[:max_samples]
    return np.sort(rows)


def collect(
    reader: ShardReader, *, max_samples: int, seed: int, report: Report = lambda count: None
) -> LabelTable:
    """Read samples; those that break the contract are noted, not fatal."""
    rows = choose_rows(reader.index.rows["track"], max_samples=max_samples, seed=seed)
    columns = {name: np.zeros((len(rows), *s), kind) for name, (s, kind) in _COLUMNS.items()}
    decoded = set(rows[:: -(-len(rows) // MAX_DECODED)].tolist())
    sample_ids, groups, good_rows, bad_records = [], [], [], []
    for row in rows.tolist():
        sample = _read(reader, row, with_image=row in decoded)
        if isinstance(sample, BadRecord):
            bad_records.append(sample)
        else:
            _fill(columns, len(good_rows), sample)
            sample_ids.append(sample.sample_id)
            groups.append(_group(sample))
            good_rows.append(row)
        report(1)
    return LabelTable(
        info=reader.info,
        num_samples=len(reader),
        bad_records=tuple(bad_records),
        row=np.array(good_rows, np.int64),
        sample_id=np.array(sample_ids, np.str_),
        group=np.array(groups, np.str_),
        **{name: column[: len(good_rows)] for name, column in columns.items()},
    )


def _read(reader: ShardReader, row: int, *, with_image: bool) -> HandSample | BadRecord:
    """Read a sample and check what a reader takes on trust: the contract, and the image."""
    try:
        sample = reader.read_sample(row)
    except ShardError as error:
        return BadRecord(str(error), is_behind_camera=False)
    try:
        sample.validate()
        if with_image:
            decode_image(sample.image, sample.image_size)
    except ValueError as error:
        is_behind = sample.keypoints_cam_valid & (sample.keypoints_cam[:, 2] <= 0)
        return BadRecord(f"{reader.describe(row)}: {error}", bool(is_behind.any()))
    return sample


def _fill(columns: dict[str, np.ndarray], place: int, sample: HandSample) -> None:
    for name in columns.keys() - {*_CROP_KEYS, "image_digest"}:
        columns[name][place] = getattr(sample, name)
    is_crop = all(name in sample.extra for name in _CROP_KEYS)
    for name in _CROP_KEYS:
        columns[name][place] = sample.extra[name] if is_crop else np.nan
    digest = hashlib.blake2b(sample.image, digest_size=8).digest()
    columns["image_digest"][place] = int.from_bytes(digest, "little")


def _group(sample: HandSample) -> str:
    """Name the hand whose bones keep their lengths: of the subject if known, or the sequence."""
    dataset, sequence, _, _, side = sample.sample_id.split("/")
    owner = str(sample.extra["subject"]) if "subject" in sample.extra else sequence
    return f"{dataset}/{owner}/{side}"
