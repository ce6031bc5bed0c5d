import os

import numpy as np
import pytest

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.open_shard import OpenShard, check_files
from handvit.datasets.shards.shard_index import ShardError, labels_path


@pytest.fixture
def root(make_shards):
    return make_shards(num_tracks=2)


@pytest.fixture
def entry(root):
    return DatasetInfo.load(root).shards[1]  # 2 samples


def test_reads_bytes_and_labels(root, entry, make_sample):
    shard = OpenShard(root, entry)
    content = (root / entry.file).read_bytes()
    assert shard.read(100, 50) == content[100:150]
    assert shard.read(len(content) - 7, 50) == content[-7:]
    label = shard.read_label(1)
    expected = make_sample(track=1, frame=5)
    assert label["sample_id"].decode() == expected.sample_id
    np.testing.assert_array_equal(label["keypoints_cam"], expected.keypoints_cam)


def test_gives_its_descriptors_back(root, entry):
    before = len(os.listdir("/proc/self/fd"))
    shard = OpenShard(root, entry)
    shard.close()
    assert len(os.listdir("/proc/self/fd")) == before
    shard = OpenShard(root, entry)
    del shard
    assert len(os.listdir("/proc/self/fd")) == before


def test_missing_and_truncated_files_are_named(root, entry):
    check_files(root, entry)
    tar, labels = root / entry.file, labels_path(root / entry.file)
    labels.rename(root / "aside")
    with pytest.raises(ShardError, match=r"shard-000001.labels.npy: labels are missing"):
        OpenShard(root, entry)
    (root / "aside").rename(labels)
    os.truncate(tar, 700)
    with pytest.raises(ShardError, match=r"shard-000001.tar: has 700 bytes"):
        OpenShard(root, entry)
    tar.unlink()
    with pytest.raises(ShardError, match=r"shard-000001.tar: shard is missing"):
        OpenShard(root, entry)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY\x01\x00",
        np.zeros(2),
        np.zeros(3, [("sample_id", "S4")]),
        np.array([{}, {}]),
    ],
)
def test_labels_that_are_none(root, entry, content):
    path = labels_path(root / entry.file)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ShardError, match=r"shard-000001.tar: not readable .*build_index.py"):
        OpenShard(root, entry)


def test_labels_cut_after_opening(root, entry):
    shard = OpenShard(root, entry)
    path = labels_path(root / entry.file)
    for size in (path.stat().st_size - 5, 10):
        os.truncate(path, size)
        with pytest.raises(ShardError, match=r"shard-000001.labels.npy: not readable any more"):
            shard.read_label(1)
