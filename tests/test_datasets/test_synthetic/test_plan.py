import json

import pytest

from handvit.datasets.synthetic import SceneLimits, SyntheticPlan

VALUES = dict(split="train", seed=7, num_singles=5, num_sequences=3, sequence_length=4)


def _plan(**changes):
    return SyntheticPlan(**{**VALUES, **changes})


def _tracks(plan):
    return [spec for shard in plan.shards() for spec in shard]


def test_every_frame_is_in_one_shard(monkeypatch):
    monkeypatch.setattr("handvit.datasets.synthetic.plan._FRAMES_PER_SHARD", 8)
    plan = _plan(num_singles=20)
    assert [len(shard) for shard in plan.shards()] == [8, 8, 4, 2, 1]
    tracks = _tracks(plan)
    assert len({spec.sequence for spec in tracks}) == len(tracks) == 23
    assert sum(spec.num_frames for spec in tracks) == plan.num_frames == 32
    assert tracks[0].sequence == "train-s7-single000000"
    assert tracks[-1].sequence == "train-s7-seq000002"


def test_no_two_tracks_share_a_seed():
    plans = [_plan(), _plan(seed=8), _plan(split="test")]
    seeds = [spec.entropy for plan in plans for spec in _tracks(plan)]
    names = [spec.sequence for plan in plans for spec in _tracks(plan)]
    assert len(set(seeds)) == len(set(names)) == 24


def test_more_tracks_leave_the_first_ones_as_they_are():
    assert set(_tracks(_plan())) < set(_tracks(_plan(num_singles=9, num_sequences=5)))


def test_describes_the_data_set():
    info = _plan().info
    assert (info.name, info.split, info.hand_model, info.fingertips) == (
        "synthetic", "train", "openhand", "smplx",
    )  # fmt: skip
    assert "seed 7" in info.source


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_singles": -1}, "num_singles: -1 must not be negative"),
        ({"num_sequences": -2}, "num_sequences: -2"),
        ({"seed": -1}, "seed: -1"),
        ({"num_singles": 0, "num_sequences": 0}, "both are 0"),
        ({"sequence_length": 0}, "sequence_length: 0"),
        ({"image_size": 8}, r"image_size: 8 must be in \[32, 1024\]"),
        ({"split": "a/b"}, "split: 'a/b'"),
        ({"split": ""}, "split: ''"),
    ],
)
def test_impossible_plans(changes, message):
    with pytest.raises(ValueError, match=message):
        _plan(**changes)


def test_claims_a_folder_once(tmp_path):
    root = tmp_path / "new" / "train"
    _plan().claim(root)
    record = json.loads((root / "synthetic.json").read_bytes())
    assert record["seed"] == 7 and record["limits"]["depth"] == [0.2, 1.2]
    _plan().claim(root)  # the same plan goes on


def test_refuses_a_folder_of_another_plan(tmp_path):
    _plan().claim(tmp_path)
    other = _plan(seed=8, limits=SceneLimits(max_tilt=10.0))
    with pytest.raises(ValueError, match=r"limits is .*45.*; seed is 7 there and 8 here"):
        other.claim(tmp_path)


def test_refuses_a_folder_of_other_things(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds files but no synthetic\.json"):
        _plan().claim(tmp_path)
