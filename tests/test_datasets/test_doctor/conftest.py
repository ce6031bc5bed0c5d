"""A data set without faults, and ways to break it."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from handvit.datasets import ShardReader, ShardWriter
from handvit.datasets.doctor.collect import collect
from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.synthetic import HandGenerator, SceneLimits, SyntheticPlan, TrackSpec, produce
from handvit.structures import HandSample

PLAN = SyntheticPlan(
    split="train", seed=7, num_singles=30, num_sequences=6, sequence_length=12, image_size=64
)


@pytest.fixture(scope="session")
def good_root(tmp_path_factory) -> Path:
    """Folder of 102 rendered open hands, 72 of them in six tracks; shared, do not change it."""
    root = tmp_path_factory.mktemp("doctor") / "good"
    produce(root, PLAN, num_workers=1, report=lambda count: None)
    return root


@pytest.fixture(scope="session")
def good_samples(good_root) -> list[HandSample]:
    """All samples of the good data set; never change one in place."""
    reader = ShardReader(good_root)
    return [reader.read_sample(row) for row in range(len(reader))]


@pytest.fixture(scope="session")
def good_table(good_root) -> LabelTable:
    """Labels of the good data set; break a copy with ``dataclasses.replace``."""
    return collect(ShardReader(good_root), max_samples=1000, seed=0)


@pytest.fixture(scope="session")
def take_rows() -> Callable[[LabelTable, np.ndarray], LabelTable]:
    """Return ``take_rows(table, rows)``: these rows of all columns, in this order."""

    def take_rows(table: LabelTable, rows: np.ndarray) -> LabelTable:
        columns = {f.name: getattr(table, f.name) for f in fields(table)}
        return replace(
            table,
            **{n: column[rows] for n, column in columns.items() if isinstance(column, np.ndarray)},
        )

    return take_rows


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Return ``write(samples)``: it writes them as a data set and returns the folder."""

    def write(samples: list[HandSample]) -> Path:
        with ShardWriter(tmp_path / "broken", info=replace(PLAN.info, shards=())) as writer:
            for sample in samples:
                writer.add(sample)
        return tmp_path / "broken"

    return write


@pytest.fixture(scope="session")
def tracks() -> np.ndarray:
    """Keypoints of ten hands in motion, (10, 150, 21, 3) metres at 30 frames a second."""
    generator = HandGenerator(SceneLimits(), image_size=64)
    takes = generator.draw([TrackSpec(f"seq{i}", (11, i), 150) for i in range(10)])
    return np.stack([take.hand.keypoints_cam.numpy() for take in takes]).astype(np.float64)


@pytest.fixture
def make_tracks(good_table, take_rows, tracks) -> Callable[..., LabelTable]:
    """Return ``make(period, keypoints=None, every=1)``: the labels of tracks at even times.

    ``every`` keeps each so many frames; ``period`` is the seconds between those that are left.
    """

    def make(period: float, keypoints: np.ndarray | None = None, *, every: int = 1) -> LabelTable:
        keypoints = (tracks if keypoints is None else keypoints)[:, ::every]
        K, T = keypoints.shape[:2]
        ids = [f"moving/seq{k}/cam0/{t:06d}/right" for k in range(K) for t in range(T)]
        return replace(
            take_rows(good_table, np.zeros(K * T, int)),
            sample_id=np.array(ids),
            frame_time=np.tile(np.arange(T) * period, K),
            keypoints_cam=keypoints.reshape(-1, 21, 3),  # (K * T, 21, 3)
        )

    return make
