import io
import json
import os
import tarfile

import numpy as np
import pytest

from handvit.datasets.shards import bad_samples
from handvit.datasets.shards.bad_samples import BadSamples
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.datasets.shards.shard_stream import ShardStream


def _stream(root):
    return ShardStream(f"{root}/{{file}}")


def _numbers(stream, shard, limit=0):
    return [number for number, _ in stream.samples(shard, BadSamples(limit))]


def _rewrite(tar, change):
    """Write a tar again, its members (name, content) changed."""
    with tarfile.open(tar) as archive:
        members = [(m.name, archive.extractfile(m).read()) for m in archive]
    with tarfile.open(tar, "w") as archive:
        for name, content in change(members):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("scheme", ["", "file://", "pipe:cat "])
def test_gives_what_the_indexed_reader_gives(shards_root, scheme):
    stream, reader = ShardStream(f"{scheme}{shards_root}/{{file}}"), ShardReader(shards_root)
    assert stream.info == reader.info
    row = 0
    for shard in range(3):
        for number, sample in stream.samples(shard, BadSamples(0)):
            expected = reader.read_sample(row)
            assert number == row % 10
            for name, value in vars(expected).items():
                np.testing.assert_equal(getattr(sample, name), value)
            row += 1
    assert row == 24


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data/mine", r"url: 'data/mine' has no \{file\}"),
        ("/nowhere/{file}", r"/nowhere/dataset.json: no readable dataset.json .*check the url"),
        ("pipe:exit 3 # {file}", r"no readable dataset.json .*exit 3"),
        ("s3://bucket/{file}", r"s3://bucket/dataset.json: no readable dataset.json"),
    ],
)
def test_urls_that_lead_nowhere(url, message):
    with pytest.raises(ValueError, match=message):
        ShardStream(url)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format_version"),
        ({"shards": []}, "lists no shards"),
        ({"shards": [{"file": "a; rm b.tar", "num_samples": 1, "num_bytes": 1}]}, "not a plain"),
        ({"shards": [{"file": "../a.tar", "num_samples": 1, "num_bytes": 1}]}, "not a plain"),
        ({"shards": [{"file": "a.tar"}]}, "num_samples"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_dataset_json_is_checked(make_shards, change, message):
    root = make_shards(num_tracks=1)
    path = root / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        _stream(root)


@pytest.mark.parametrize("url", ["{root}/{{file}}", "pipe:cat {root}/{{file}}"])
@pytest.mark.parametrize(
    ("member", "num_bytes", "count"),
    [
        (9, -700, 3),  # in the image of sample 4; webdataset gives up sample 3 too
        (9, 0, 4),  # between the image and the record of sample 4
        (8, 0, 4),  # between two samples, where tarfile sees no fault
        (0, 200, 0),  # in the first header
        (0, 0, 0),  # an empty file
    ],
)
def test_truncated_anywhere(make_shards, monkeypatch, url, member, num_bytes, count):
    log = []
    monkeypatch.setattr(bad_samples, "print_log", lambda text, **_: log.append(text))
    root = make_shards()
    tar = root / "shard-000001.tar"
    with tarfile.open(tar) as archive:
        start = archive.getmembers()[member].offset
    os.truncate(tar, start + num_bytes)
    stream = ShardStream(url.format(root=root))
    with pytest.raises(ShardError, match=r"shard-000001.tar: "):
        _numbers(stream, 1)
    lost = 10 - count
    with pytest.raises(ShardError, match=f"more than max_bad_samples={lost - 1} "):
        _numbers(stream, 1, limit=lost - 1)
    log.clear()
    assert _numbers(stream, 1, limit=lost) == list(range(count))
    assert f"{lost} of {lost} allowed" in log[-1] and "of 10 samples" in log[-1]


@pytest.mark.parametrize("url", ["{root}/{{file}}", "pipe:cat {root}/{{file}}"])
def test_deleted_while_training(make_shards, url):
    root = make_shards()
    stream = ShardStream(url.format(root=root))
    (root / "shard-000000.tar").unlink()
    with pytest.raises(ShardError, match=r"shard-000000.tar: .* 0 of 10 samples"):
        _numbers(stream, 0)
    assert _numbers(stream, 0, limit=10) == []
    assert _numbers(stream, 1) == list(range(10))


def test_a_longer_shard_is_of_another_data_set(make_shards):
    root, other = make_shards(), make_shards(max_samples=12)
    stream = _stream(root)
    (other / "shard-000000.tar").replace(root / "shard-000000.tar")
    with pytest.raises(ShardError, match=r"holds more than the 10 samples of dataset.json"):
        _numbers(stream, 0)
    assert _numbers(stream, 0, limit=1) == list(range(10))


def test_bad_records_are_skipped_one_by_one(make_shards):
    root = make_shards()

    def spoil(members):
        members[1] = (members[1][0], b"{")  # not JSON
        members[5] = (members[5][0], b"[1]")  # not an object
        members[7] = (members[7][0], members[7][1].replace(b'"is_right":', b'"is_left":'))
        return [member for place, member in enumerate(members) if place not in (10, 13)]

    _rewrite(root / "shard-000000.tar", spoil)
    stream = _stream(root)
    with pytest.raises(ShardError, match=r"shard-000000.tar: key '000000000000': bad record"):
        _numbers(stream, 0)
    assert _numbers(stream, 0, limit=5) == [1, 4, 7, 8, 9]
    with pytest.raises(ShardError, match="more than max_bad_samples=4 "):
        _numbers(stream, 0, limit=4)
