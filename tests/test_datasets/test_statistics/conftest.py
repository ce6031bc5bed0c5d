"""Small data sets of chosen hands, and their labels as plain arrays."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handvit.datasets import DatasetInfo, ShardReader, ShardWriter
from handvit.datasets.shards.label_table import label_table
from handvit.structures import HandSample

_MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="session")
def make_samples(make_sample) -> Callable[..., list[HandSample]]:
    """Return ``make(num_samples, seed=0)``: right and left hands in turn, all labelled."""

    def make(num_samples: int, seed: int = 0) -> list[HandSample]:
        return [make_sample(seed=seed, track=i % 4, frame=i // 4) for i in range(num_samples)]

    return make


@pytest.fixture(scope="session")
def to_labels() -> Callable[[Sequence[HandSample]], np.ndarray]:
    """Return ``to_labels(samples)``: their rows of a ``label_table``."""
    return label_table


@pytest.fixture
def write_hands(tmp_path) -> Callable[..., ShardReader]:
    """Return ``write(samples, name="hands", hand_model="openhand")``: a reader of what it wrote."""

    def write(
        samples: Sequence[HandSample], name: str = "hands", hand_model: str | None = "openhand"
    ) -> ShardReader:
        root: Path = tmp_path / name
        info = DatasetInfo(
            name=name, split="train", source="random", license="CC0-1.0", hand_model=hand_model
        )
        with ShardWriter(root, info=info, max_samples=7) as writer:
            for sample in samples:
                writer.add(sample)
        return ShardReader(root)

    return write


@pytest.fixture(scope="session")
def mirrored() -> Callable[[HandSample], HandSample]:
    """Return ``mirrored(sample)``: the same scene in a mirror, written out by hand."""

    def mirror(sample: HandSample) -> HandSample:
        right = sample.image_size[0] - 1
        x0, y0, x1, y1 = sample.bbox_xyxy
        turn = np.array([1.0, -1.0, -1.0])  # a rotation vector is a pseudovector
        side = "left" if sample.is_right else "right"
        return replace(
            sample,
            sample_id=f"{sample.sample_id.rpartition('/')[0]}/{side}",
            is_right=not sample.is_right,
            bbox_xyxy=np.array([right - x1, y0, right - x0, y1]),
            princpt=np.array([right - sample.princpt[0], sample.princpt[1]]),
            keypoints_img=sample.keypoints_img * np.array([-1, 1]) + np.array([right, 0]),
            keypoints_cam=sample.keypoints_cam * _MIRROR,
            global_orient=sample.global_orient * turn,
            hand_pose=sample.hand_pose * np.tile(turn, 15),
            mano_root_cam=sample.mano_root_cam * _MIRROR,
        )

    return mirror
