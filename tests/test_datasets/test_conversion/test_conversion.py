import json
import shutil

import pytest

from handvit.datasets.conversion.conversion import Part, convert, plan_shards
from handvit.datasets.conversion.converter import Rejection, Unit
from handvit.datasets.conversion.view import FullFrameView
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.shard_reader import ShardReader


class _RandomConverter:
    """Six tracks of three frames; the third frame of each is no good."""

    def __init__(self, make_sample, *, bad_tracks=(), name="tiny"):
        self.view = FullFrameView()
        self.info = DatasetInfo(
            name=name, split="train", source="random", license="CC0-1.0", hand_model="openhand"
        )
        self.make_sample, self.bad_tracks = make_sample, bad_tracks
        self.calls = []

    def units(self):
        return [Unit(f"track{track}", 3) for track in range(6)]

    def samples(self, unit):
        self.calls.append(unit.name)
        track = int(unit.name[-1])
        for frame in range(3):
            if frame == 2 or track in self.bad_tracks:
                yield Rejection("frame is no good", f"{unit.name}/{frame}")
            else:
                yield self.make_sample(track=track, frame=frame)


@pytest.fixture
def converter(make_sample):
    return _RandomConverter(make_sample)


def _convert(converter, root, num_workers=1, **part):
    counts = []
    info = convert(converter, root, Part(**part), num_workers=num_workers, report=counts.append)
    return info, sum(counts)


def _contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir()}


def test_a_data_set_and_its_manifest(converter, tmp_path):
    info, num_frames = _convert(converter, tmp_path, num_shards=2)
    assert info.num_samples == 12 and num_frames == 18
    reader = ShardReader(tmp_path)
    assert [reader.read_sample(row).sample_id for row in (0, 1, 11)] == [
        "tiny/sequence0/cam0/00000/right",
        "tiny/sequence0/cam0/00001/right",
        "tiny/sequence2/cam0/00001/left",
    ]
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert manifest["totals"]["num_frames"] == 18
    assert manifest["totals"]["rejected"] == {"frame is no good": 6}
    assert manifest["totals"]["examples"]["frame is no good"][0] == "track0/2"
    assert set(manifest["totals"]["sha256"]) == {"shard-000000.tar", "shard-000001.tar"}
    assert manifest["settings"]["source"] == "random"


def test_workers_and_array_jobs_write_the_same_bytes(converter, tmp_path):
    _convert(converter, tmp_path / "one", num_shards=3)
    _convert(converter, tmp_path / "two", num_workers=2, num_shards=3)
    for index in (2, 0, 1):
        info, _ = _convert(converter, tmp_path / "array", num_shards=3, shard_index=index)
        assert (info is None) == (index != 1), "the last job completes the data set"
    expected = _contents(tmp_path / "one")
    assert _contents(tmp_path / "two") == expected
    assert _contents(tmp_path / "array") == expected


def test_resuming_keeps_what_is_finished(converter, tmp_path):
    _convert(converter, tmp_path / "whole", num_shards=3)
    root = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", root)
    for name in ("dataset.json", "manifest.json", "shard-000002.report.json", "shard-000001.tar"):
        (root / name).unlink()
    for name in ("shard-000001.report.json", "shard-000001.index.npz"):
        (root / name).unlink()
    (root / ".shard-000001.tar.123.tmp").write_bytes(b"half a tar")
    converter.calls.clear()
    info, num_frames = _convert(converter, root, num_shards=3, resume=True)
    probed, converted = converter.calls[:-4], converter.calls[-4:]
    assert converted == probed == ["track2", "track3", "track4", "track5"]
    assert info.num_samples == 12 and num_frames == 18
    (root / ".shard-000001.tar.123.tmp").unlink()
    assert _contents(root) == _contents(tmp_path / "whole")


def test_a_shard_whose_source_went_away_is_no_longer_there(make_sample, tmp_path):
    _convert(_RandomConverter(make_sample), tmp_path, num_shards=3)
    for name in ("dataset.json", "shard-000001.report.json"):
        (tmp_path / name).unlink()
    gone = _RandomConverter(make_sample, bad_tracks=(2, 3))
    info, _ = _convert(gone, tmp_path, num_shards=3, resume=True)
    assert [shard.file for shard in info.shards] == ["shard-000000.tar", "shard-000002.tar"]
    assert not list(tmp_path.glob("shard-000001.[til]*"))


def test_finished_shards_are_not_overwritten(converter, tmp_path):
    _convert(converter, tmp_path, num_shards=2)
    with pytest.raises(ValueError, match=r"shard-000000\.report\.json: .*add --resume"):
        _convert(converter, tmp_path, num_shards=2)


def test_another_data_set_in_the_folder_is_named(converter, make_sample, tmp_path):
    _convert(converter, tmp_path, num_shards=2)
    with pytest.raises(ValueError, match="name is 'tiny' there and 'other' here"):
        _convert(_RandomConverter(make_sample, name="other"), tmp_path, num_shards=2, resume=True)
    with pytest.raises(ValueError, match="num_shards is 2 there and 3 here"):
        _convert(converter, tmp_path, num_shards=3, resume=True)


def test_shards_without_samples_are_left_out(make_sample, tmp_path):
    converter = _RandomConverter(make_sample, bad_tracks=(2, 3))
    info, _ = _convert(converter, tmp_path, num_shards=3)
    assert [shard.file for shard in info.shards] == ["shard-000000.tar", "shard-000002.tar"]
    assert len(ShardReader(tmp_path)) == 8


def test_nothing_convertible_is_an_error_with_the_reasons(make_sample, tmp_path):
    converter = _RandomConverter(make_sample, bad_tracks=range(6))
    with pytest.raises(ValueError, match=r"nothing could be converted: .*frame is no good.*track0"):
        _convert(converter, tmp_path)
    assert not (tmp_path / "dataset.json").exists()


def test_an_error_leaves_no_half_shard(converter, tmp_path, monkeypatch):
    monkeypatch.setattr(_RandomConverter, "samples", _fail_late)
    with pytest.raises(ValueError, match=r"labels\.json: broken"):
        _convert(converter, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["conversion.json"]


def _fail_late(self, unit):
    yield self.make_sample()
    raise ValueError("labels.json: broken")


def test_a_full_disk_is_noticed_before_anything_is_written(converter, tmp_path, monkeypatch):
    """Labels of about 6 kB and an image of about 11 kB for each of 18 frames: 0.3 MB."""
    usage = shutil.disk_usage(tmp_path)
    for free, is_enough in ((400_000, True), (100_000, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage._replace(free=free))
        if is_enough:
            _convert(converter, tmp_path / "enough")
        else:
            with pytest.raises(ValueError, match=r"about 0\.0003\d+ GB are needed and 0\.0001 GB"):
                _convert(converter, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["conversion.json"]


def test_no_process_is_noticed_before_any_work(converter, tmp_path):
    with pytest.raises(ValueError, match="num_workers: 0 must be 1 or more"):
        _convert(converter, tmp_path / "out", num_workers=0)
    assert not (tmp_path / "out").exists()


def test_units_keep_their_order_and_fill_every_shard():
    units = [Unit(f"u{i}", size) for i, size in enumerate([1, 1, 1, 500, 1, 1, 300, 1])]
    for count in range(1, 9):
        shards = plan_shards(units, count)
        assert len(shards) == count and all(shards)
        assert [unit for shard in shards for unit in shard] == units


def test_shards_hold_about_equal_numbers_of_frames():
    shards = plan_shards([Unit(str(i), 100) for i in range(1000)], 8)
    assert {len(shard) for shard in shards} == {125}
    assert len(plan_shards([Unit(str(i), 100) for i in range(1000)], None)) == 20


@pytest.mark.parametrize(
    ("units", "num_shards", "message"),
    [
        ([], None, "nothing to convert"),
        ([Unit("a", 1), Unit("a", 2)], None, "2 units with 1 names"),
        ([Unit("a", 1)], 2, r"--num-shards 2: must be in \[1, 1\]"),
        ([Unit("a", 1)], 0, r"--num-shards 0: must be in \[1, 1\]"),
        ([Unit("a", 0), Unit("b", 0)], None, "none of 2 stretches has a frame"),
    ],
)
def test_impossible_plans(units, num_shards, message):
    with pytest.raises(ValueError, match=message):
        plan_shards(units, num_shards)


def test_a_shard_index_outside_is_named(converter, tmp_path):
    with pytest.raises(ValueError, match=r"--shard-index 2: must be in \[0, 1\]"):
        _convert(converter, tmp_path, num_shards=2, shard_index=2)
