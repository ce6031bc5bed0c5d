import json
import multiprocessing
import os
import pickle
import shutil

import numpy as np
import pytest

from handvit.datasets.shards import shard_reader
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_reader import ShardReader


def _edit_record(root, row, change):
    """Change a record in place; the new one must not be longer."""
    reader = ShardReader(root)
    entry = reader.index.rows[row]
    record = {**reader.read_record(row), **change}
    content = json.dumps(record, separators=(",", ":")).encode()
    with (root / "shard-000001.tar").open("r+b") as file:
        file.seek(int(entry["record_offset"]))
        file.write(content.ljust(int(entry["record_size"])))


def test_reads_in_any_order(shards_root, make_sample):
    reader = ShardReader(shards_root)
    for row in (23, 0, 9, 10):
        expected = make_sample(track=row // 6, frame=row % 6)
        assert reader.read_sample(row).sample_id == expected.sample_id
        assert reader.read_record(row)["betas"] == expected.betas.tolist()
        assert reader.read_sample(row).image == expected.image


def test_missing_shard_and_missing_index(make_shards):
    root = make_shards()
    (root / "index.npz").rename(root / "aside")
    with pytest.raises(ShardError, match=r"index.npz: .*build_index"):
        ShardReader(root)
    (root / "aside").rename(root / "index.npz")
    (root / "shard-000001.labels.npy").rename(root / "aside")
    with pytest.raises(ShardError, match=r"shard-000001.labels.npy: .*build_index"):
        ShardReader(root)
    (root / "aside").rename(root / "shard-000001.labels.npy")
    (root / "shard-000001.tar").unlink()
    with pytest.raises(ShardError, match=r"shard-000001.tar: shard is missing; copy"):
        ShardReader(root)


def test_truncated_shard_is_refused_at_opening(make_shards):
    root = make_shards()
    os.truncate(root / "shard-000002.tar", 5000)
    with pytest.raises(ShardError, match=r"shard-000002.tar: has 5000 bytes.*copy it again"):
        ShardReader(root)


def test_shard_cut_after_opening(make_shards):
    root = make_shards()
    reader = ShardReader(root)
    reader.read_sample(9)
    os.truncate(root / "shard-000000.tar", 5000)
    with pytest.raises(ShardError, match=r"shard-000000.tar: cut since"):
        reader.read_sample(9)


def test_index_of_another_data_set(make_shards):
    root = make_shards()
    shutil.copy(make_shards(num_frames=5) / "index.npz", root)
    with pytest.raises(ShardError, match=r"index.npz: is of other shards"):
        ShardReader(root)


@pytest.mark.parametrize("field", ["image_offset", "record_offset"])
@pytest.mark.parametrize("from_end", [False, True])
def test_any_changed_byte_names_shard_and_key(make_shards, field, from_end):
    """Also where the image still decodes and the record still parses."""
    root = make_shards()
    reader = ShardReader(root)
    entry = reader.index.rows[12]
    size = int(entry[field.replace("offset", "size")])
    with (root / "shard-000001.tar").open("r+b") as file:
        file.seek(int(entry[field]) + (size - 1 if from_end else size // 2))
        (old,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([old ^ 1]))
    with pytest.raises(ShardError, match=r"shard-000001.tar: key '000001000002'"):
        reader.read_sample(12)
    reader.read_sample(11)


def test_shard_swapped_for_another_of_the_same_size(make_shards, make_sample):
    """Sizes of tars are multiples of 10 kB, so two shards of one size are common."""
    root, other = make_shards(), make_shards(seed=1)
    size = (root / "shard-000001.tar").stat().st_size
    content = (other / "shard-000001.tar").read_bytes()
    (root / "shard-000001.tar").write_bytes(content[:size].ljust(size, b"\0"))
    reader = ShardReader(root)
    reader.read_sample(9)
    for row in range(10, 20):
        with pytest.raises(ShardError, match=r"shard-000001.tar: key '.*' \(row \d+\): "):
            reader.read_sample(row)


def test_shard_deleted_after_opening(make_shards):
    root = make_shards()
    reader = ShardReader(root)
    expected = reader.read_sample(0).image
    for number in (0, 1):
        (root / f"shard-00000{number}.tar").unlink()
    assert reader.read_sample(0).image == expected  # was open
    with pytest.raises(ShardError, match=r"shard-000001.tar: shard is missing"):
        reader.read_sample(12)


def test_shard_replaced_between_opening_and_reading(make_shards):
    root = make_shards()
    reader = ShardReader(root)
    (root / "shard-000001.tar").rename(root / "aside")
    (root / "shard-000001.tar").write_bytes(bytes(512))
    with pytest.raises(ShardError, match=r"shard-000001.tar: has 512 bytes.*copy it again"):
        reader.read_sample(12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_time": 0.5}, "is not what was indexed.*build_index"),
        ({"focal": [1.0]}, r"focal: shape \(1,\), want \(2,\)"),
        ({"betas": [float("nan")] * 10}, "betas: holds NaN"),
        ({"hand_pose": "zero"}, "hand_pose: not an array"),
        ({"image_size": 3}, "bad record"),
        ({"sample_id": 3}, "bad record"),
        ({"frame_time": None}, "bad record"),
        ({"keypoints_img": [], "colour": 1}, r"unknown fields \['colour'\]"),
    ],
)
def test_bad_record_names_shard_and_key(make_shards, change, message):
    root = make_shards()
    _edit_record(root, 12, change)
    reader = ShardReader(root)
    with pytest.raises(ShardError, match=rf"shard-000001.tar: key '000001000002'.*{message}"):
        reader.read_sample(12)
    reader.read_sample(11)


def test_record_that_is_no_json(make_shards):
    root = make_shards()
    reader = ShardReader(root)
    with (root / "shard-000000.tar").open("r+b") as file:
        file.seek(int(reader.index.rows["record_offset"][4]))
        file.write(b"\xff\xff")
    for read in (reader.read_record, reader.read_sample):
        with pytest.raises(ShardError, match=r"shard-000000.tar: key '000000000004'"):
            read(4)


def _read_ids(reader, queue):
    queue.put(([reader.read_record(row)["sample_id"] for row in range(24)], reader._owner))


def test_forked_processes_open_their_own_files(shards_root):
    reader = ShardReader(shards_root)
    expected = [reader.read_record(row)["sample_id"] for row in range(24)]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_read_ids, args=(reader, queue))
    process.start()
    ids, owner = queue.get(timeout=60)
    process.join()
    assert ids == expected and owner == process.pid
    assert reader.read_record(0)["sample_id"] == expected[0]


def test_pickling_leaves_open_files_behind(shards_root):
    reader = ShardReader(shards_root)
    reader.read_sample(0)
    copy = pickle.loads(pickle.dumps(reader))
    assert not copy._shards and reader._shards
    np.testing.assert_array_equal(copy.index.rows[:], reader.index.rows[:])


def test_few_files_stay_open_and_none_after_the_reader(shards_root, monkeypatch):
    monkeypatch.setattr(shard_reader, "MAX_OPEN_SHARDS", 2)
    before = len(os.listdir("/proc/self/fd"))
    reader = ShardReader(shards_root)
    for row in (0, 12, 23, 0, 12, 23):
        reader.read_record(row)
    assert len(reader._shards) == 2
    assert len(os.listdir("/proc/self/fd")) == before + 2 * 2 + 1  # tars, labels and the index
    del reader
    assert len(os.listdir("/proc/self/fd")) == before
