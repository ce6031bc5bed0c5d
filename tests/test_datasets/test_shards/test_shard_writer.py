import json
import multiprocessing
import os
import tarfile
from dataclasses import fields

import numpy as np
import pytest
import webdataset

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.datasets.shards.shard_writer import ShardWriter, finalize, is_finished, write_shard

INFO = DatasetInfo(
    name="tiny", split="train", source="random", license="CC0-1.0", hand_model="openhand"
)
FIRST_SHARD = [f"shard-000000.{kind}" for kind in ("index.npz", "labels.npy", "tar")]


def _files(root):
    return {path.name: path.read_bytes() for path in sorted(root.iterdir())}


def test_round_trip_is_exact(tmp_path, make_sample):
    samples = [make_sample(track=track, frame=frame) for track in range(3) for frame in range(5)]
    samples[4].extra = {"subject": "s\u00e9", "fit": [0.1, None]}
    with ShardWriter(tmp_path / "new" / "set", info=INFO, max_samples=4) as writer:
        for sample in samples:
            writer.add(sample)
    assert writer.info.num_samples == 15
    assert [shard.num_samples for shard in writer.info.shards] == [4, 4, 4, 3]
    reader = ShardReader(tmp_path / "new" / "set")
    assert reader.info == writer.info
    for row, sample in enumerate(samples):
        read = reader.read_sample(row)
        for field in fields(sample):
            expected, actual = getattr(sample, field.name), getattr(read, field.name)
            assert type(actual) is type(expected), field.name
            np.testing.assert_array_equal(actual, expected, err_msg=field.name)


def test_plain_webdataset_reads_the_same(shards_root):
    reader = ShardReader(shards_root)
    urls = [str(shards_root / shard.file) for shard in reader.info.shards]
    encoded = list(webdataset.WebDataset(urls, shardshuffle=False))
    decoded = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(encoded) == len(decoded) == len(reader) == 24
    for row, (raw, item) in enumerate(zip(encoded, decoded, strict=True)):
        sample = reader.read_sample(row)
        assert raw["jpg"] == sample.image
        assert item["json"] == json.loads(raw["json"]) == json.loads(json.dumps(sample.to_record()))
        np.testing.assert_allclose(
            item["jpg"].astype(int), decode_image(sample.image, sample.image_size), atol=4
        )
    assert len({item["__key__"] for item in encoded}) == 24


def test_tars_say_nothing_of_when_and_by_whom(shards_root):
    with tarfile.open(shards_root / "shard-000001.tar") as archive:
        members = archive.getmembers()
    assert [member.name for member in members[:3]] == [
        "000001000000.jpg",
        "000001000000.json",
        "000001000001.jpg",
    ]
    traces = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members}
    assert traces == {(0, 0, 0, "", "", 0o644)}


def _write_one(root, number, make_sample):
    write_shard(root, number, (make_sample(track=number, frame=frame) for frame in range(3)))


def test_same_bytes_whatever_the_number_of_processes(tmp_path, make_sample):
    context = multiprocessing.get_context("fork")
    for num_workers in (1, 3):
        root = tmp_path / str(num_workers)
        with context.Pool(num_workers) as pool:
            pool.starmap(_write_one, [(root, number, make_sample) for number in (2, 0, 1)], 1)
        finalize(root, INFO, num_shards=3)
    assert _files(tmp_path / "1") == _files(tmp_path / "3")
    with ShardWriter(tmp_path / "rolled", info=INFO, max_samples=3) as writer:
        for track in range(3):
            for frame in range(3):
                writer.add(make_sample(track=track, frame=frame))
    assert _files(tmp_path / "rolled") == _files(tmp_path / "1")


def test_several_writers_share_a_folder(tmp_path, make_sample):
    for job in (1, 0):
        with ShardWriter(tmp_path, info=None, first_shard=100 * job, max_samples=2) as writer:
            for frame in range(3):
                writer.add(make_sample(track=job, frame=frame))
        assert not (tmp_path / "dataset.json").exists()
    info = finalize(tmp_path, INFO)
    numbers = [shard.file[6:12] for shard in info.shards]
    assert numbers == ["000000", "000001", "000100", "000101"]
    ids = [ShardReader(tmp_path).read_record(row)["sample_id"] for row in (0, 5)]
    assert ids == ["tiny/sequence0/cam0/00000/right", "tiny/sequence0/cam0/00002/left"]


def test_shards_roll_by_bytes(tmp_path, make_sample):
    sample = make_sample()
    with ShardWriter(tmp_path, info=INFO, max_bytes=2 * (len(sample.image) + 9000)) as writer:
        for frame in range(5):
            writer.add(make_sample(frame=frame))
    counts = [shard.num_samples for shard in writer.info.shards]
    assert sum(counts) == 5 and 1 < len(counts) < 5


def test_exception_leaves_only_the_finished_shards(tmp_path, make_sample):
    with pytest.raises(KeyError), ShardWriter(tmp_path, info=INFO, max_samples=2) as writer:
        for frame in range(3):
            writer.add(make_sample(frame=frame))
        raise KeyError
    assert sorted(os.listdir(tmp_path)) == FIRST_SHARD
    assert is_finished(tmp_path, 0) and not is_finished(tmp_path, 1)


def _write_and_die(root, make_sample):
    with ShardWriter(root, info=INFO) as writer:
        for frame in range(3):
            writer.add(make_sample(frame=frame))
        os._exit(9)


def test_killed_writer_leaves_nothing_that_looks_finished(tmp_path, make_sample):
    arguments = (tmp_path, make_sample)
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 9
    assert [name.startswith(".") for name in os.listdir(tmp_path)] == [True]
    assert not is_finished(tmp_path, 0)
    with pytest.raises(ValueError, match="holds 0 shards"):
        finalize(tmp_path, INFO)
    write_shard(tmp_path, 0, [make_sample()])
    visible = sorted(name for name in os.listdir(tmp_path) if not name.startswith("."))
    assert visible == FIRST_SHARD
    assert finalize(tmp_path, INFO).num_samples == 1


def test_tar_without_its_index_counts_as_unfinished_and_is_replaced(tmp_path, make_sample):
    write_shard(tmp_path, 0, [make_sample()])
    (tmp_path / "shard-000000.index.npz").unlink()
    write_shard(tmp_path, 0, [make_sample(frame=0), make_sample(frame=1)])
    assert finalize(tmp_path, INFO).num_samples == 2


def test_finished_shards_are_not_overwritten(shards_root, make_sample):
    with pytest.raises(ValueError, match=r"shard-000000.tar: exists"):
        write_shard(shards_root, 0, [make_sample()])


def test_bad_samples_are_named(tmp_path, make_sample):
    bad_image, bad_label, bad_extra = make_sample(), make_sample(), make_sample()
    bad_image.image = b"GIF89a"
    bad_label.betas[2] = np.nan
    bad_extra.extra = {"fit": np.float32(1)}
    for sample, message in ((bad_image, "image"), (bad_label, "betas"), (bad_extra, "float32")):
        with pytest.raises(ValueError, match=f"'tiny/sequence0/cam0/00000/right': .*{message}"):
            write_shard(tmp_path, 0, [sample])
    assert os.listdir(tmp_path) == []


def test_finalize_checks_count_and_hand_model(tmp_path, make_sample):
    with pytest.raises(ValueError, match="no samples"):
        write_shard(tmp_path, 0, [])
    write_shard(tmp_path, 0, [make_sample()])
    with pytest.raises(ValueError, match="holds 1 shards, want 2"):
        finalize(tmp_path, INFO, num_shards=2)
    without_model = DatasetInfo(name="a", split="b", source="c", license="d")
    with pytest.raises(ValueError, match="hand_model"):
        finalize(tmp_path, without_model)
    assert not (tmp_path / "dataset.json").exists()
