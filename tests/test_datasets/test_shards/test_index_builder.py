import io
import json
import math
import tarfile
import zlib

import numpy as np
import pytest

from handvit.datasets.shards.index_builder import IndexBuilder, scan_tar, write_index
from handvit.datasets.shards.shard_index import ShardError, ShardIndex
from handvit.datasets.shards.shard_writer import write_shard


def _write_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _members(sample, key):
    return [
        (f"{key}.jpg", sample.image),
        (f"{key}.json", json.dumps(sample.to_record()).encode()),
    ]


def test_columns_of_a_sample(make_sample):
    sample = make_sample(track=1, frame=3)
    sample.bbox_xyxy = np.array([10.0, 20.0, 26.0, 24.0])
    sample.focal = np.array([100.0, 400.0])
    sample.keypoints_cam[0] = (0.0, 0.0, 0.75)
    sample.keypoints_cam_valid[5:] = False
    sample.keypoints_img_valid[7:] = False
    builder = IndexBuilder()
    builder.add(sample, b"{}", image_at=512, record_at=1536)
    index, labels = builder.build(4096)
    (row,) = index.rows
    assert [int(value) for value in row.item()[:4]] == [512, len(sample.image), 1536, 2]
    assert row["checksum"] == zlib.crc32(sample.image + b"{}" + labels.tobytes())
    assert row["frame_time"] == 0.1
    assert not row["is_right"] and row["camera_valid"] and row["mano_valid"]
    assert row["num_keypoints_cam"] == 5 and row["num_keypoints_img"] == 7
    assert row["root_depth"] == 0.75 and row["bbox_size"] == 8 and row["focal"] == 200
    assert index.track_names.tolist() == [b"tiny/sequence0/cam0/left"]


def test_an_unknown_residual_is_nan(make_sample):
    builder = IndexBuilder()
    for residual in (None, 0.004):
        sample = make_sample()
        sample.mano_residual = residual
        builder.add(sample, b"", image_at=0, record_at=0)
    unknown, known = builder.build(0)[0].rows["mano_residual"]
    assert np.isnan(unknown) and known == np.float32(0.004)


def test_root_depth_falls_to_mano_then_to_unknown(make_sample):
    builder = IndexBuilder()
    for mano_valid in (True, False):
        sample = make_sample()
        sample.keypoints_cam_valid[0] = False
        sample.mano_root_cam = np.array([0.0, 0.0, 0.6])
        sample.mano_valid = mano_valid
        builder.add(sample, b"", image_at=0, record_at=0)
    depths = builder.build(0)[0].rows["root_depth"]
    assert depths[0] == np.float32(0.6) and math.isnan(depths[1])


def test_rebuilding_equals_what_the_writer_noted(tmp_path, make_sample):
    write_shard(tmp_path, 0, (make_sample(frame=frame) for frame in range(4)))
    tar = tmp_path / "shard-000000.tar"
    written = ShardIndex.load(tar)
    write_index(tar)
    rebuilt = ShardIndex.load(tar)
    np.testing.assert_array_equal(rebuilt.rows, written.rows)
    np.testing.assert_array_equal(rebuilt.track_names, written.track_names)
    assert rebuilt.tar_bytes == written.tar_bytes


def test_tars_of_other_writers(tmp_path, make_sample):
    """Folders in keys, record before image, further members, a PAX header for a long name."""
    first, second = make_sample(frame=0), make_sample(frame=1)
    long_key = "folder/" + "x" * 120
    members = [
        *reversed(_members(first, "folder/a")),
        *_members(second, long_key),
        (f"{long_key}.mask.png", b"unused"),
    ]
    _write_tar(tmp_path / "other.tar", members)
    index, _ = scan_tar(tmp_path / "other.tar").build(0)
    content = (tmp_path / "other.tar").read_bytes()
    for row, sample in zip(index.rows, (first, second), strict=True):
        start = int(row["image_offset"])
        assert content[start : start + int(row["image_size"])] == sample.image
        start = int(row["record_offset"])
        record = json.loads(content[start : start + int(row["record_size"])])
        assert record["sample_id"] == sample.sample_id


@pytest.mark.parametrize("missing", ["jpg", "json"])
def test_missing_member_names_shard_and_key(tmp_path, make_sample, missing):
    members = [
        member
        for key in ("000", "001")
        for member in _members(make_sample(frame=int(key)), key)
        if member[0] != f"001.{missing}"
    ]
    _write_tar(tmp_path / "s.tar", members)
    with pytest.raises(ShardError, match=r"s.tar: key 001: .*wants one .json and one image"):
        scan_tar(tmp_path / "s.tar")


def test_bad_record_names_shard_and_key(tmp_path, make_sample):
    sample = make_sample()
    record = {**sample.to_record(), "betas": [0.0]}
    members = [("07.jpg", sample.image), ("07.json", json.dumps(record).encode())]
    _write_tar(tmp_path / "s.tar", members)
    with pytest.raises(ShardError, match=r"s.tar: key 07: betas: shape \(1,\), want \(10,\)"):
        scan_tar(tmp_path / "s.tar")


def test_truncated_anywhere_is_noticed(tmp_path, make_sample):
    """Also where the cut falls between two members, which plain tarfile reads silently."""
    write_shard(tmp_path, 0, (make_sample(frame=frame) for frame in range(3)))
    tar = tmp_path / "shard-000000.tar"
    content = tar.read_bytes()
    member_end = int(ShardIndex.load(tar).rows["image_offset"][2]) - 512
    for cut in (100, 700, member_end, member_end + 600, member_end + 512, 0):
        tar.write_bytes(content[:cut])
        with pytest.raises(ShardError, match=r"shard-000000.tar: truncated"):
            scan_tar(tar)
