from pathlib import Path

import numpy as np
import pytest

from handvit.datasets.converters.cs_vit2 import plan as cs_vit2_plan
from handvit.datasets.converters.cs_vit2.plan import folder_of, is_single, make_plan


class FakeClip:
    """A clip as far as planning looks at it; 2D labels are one number a frame."""

    source = "ho3d"
    is_right = True

    def __init__(self, paths, times, pixels, **changes):
        self.paths = paths
        self._arrays = {
            "timestamp": np.array(times, np.float64),
            "joint_img": np.tile(np.array(pixels, np.float64)[:, None, None], (1, 21, 2)),
            "joint_cam": np.zeros((len(paths), 21, 3)),
            "joint_3d_valid": np.zeros((len(paths), 21)),
        }
        vars(self).update(changes)

    def __len__(self):
        return len(self.paths)

    def array(self, name):
        return self._arrays[name]


@pytest.fixture
def plan(monkeypatch):
    """Return ``plan(clips, more_clips, ...)``: the plan of one tar for each list of clips."""

    def plan(*tars):
        found = {Path(f"{number}.tar"): clips for number, clips in enumerate(tars)}
        monkeypatch.setattr(
            cs_vit2_plan,
            "clips_of",
            lambda tar: [(i * 10, i * 10 + 10, clip) for i, clip in enumerate(found[tar])],
        )
        return make_plan(list(found))

    return plan


def test_frames_of_overlapping_clips_are_kept_once_over_all_tars(plan):
    made = plan(
        [FakeClip(["s/0.jpg", "s/1.jpg", "s/2.jpg"], [0, 33, 66], [1, 2, 3])],
        [
            FakeClip(["s/1.jpg", "s/2.jpg", "s/3.jpg"], [33, 66, 99], [2, 3, 4]),
            FakeClip(["s/3.jpg"], [99], [4]),
        ],
    )
    assert made.is_kept.tolist() == [True, True, True, False, False, True, False]
    assert made.hand_number.tolist() == [0] * 7
    assert made.clips.tolist() == [(0, 0, 10, 0, 3), (1, 0, 10, 3, 3), (1, 10, 20, 6, 1)]


def test_times_that_count_from_the_start_of_the_clip_hide_no_repetition(plan):
    made = plan(
        [FakeClip(["s/0.jpg", "s/1.jpg"], [0, 33], [1, 2]), FakeClip(["s/1.jpg"], [0], [2])]
    )
    assert made.is_kept.tolist() == [True, True, False]


def test_frames_of_a_recording_with_one_path_are_all_kept(plan):
    made = plan([FakeClip(["P1/recording.vrs"] * 3, [0, 33, 66], [1, 2, 3])])
    assert made.is_kept.all() and not made.hand_number.any()


def test_both_sides_and_all_people_in_a_photograph_are_kept(plan):
    made = plan(
        [
            FakeClip(["train/7.jpg"], [0], [1]),
            FakeClip(["train/7.jpg"], [0], [1], is_right=False),
            FakeClip(["train/7.jpg"], [0], [2]),
            FakeClip(["train/7.jpg"], [0], [1]),
            FakeClip(["train/7.jpg"], [0], [3]),
        ]
    )
    assert made.is_kept.tolist() == [True, True, True, False, True]
    assert made.hand_number.tolist() == [0, 0, 1, 0, 2]


def test_same_path_in_two_data_sets_is_not_the_same(plan):
    made = plan([FakeClip(["s/0.jpg"], [0], [1]), FakeClip(["s/0.jpg"], [0], [1], source="ih26m")])
    assert made.is_kept.all()


def test_first_times_are_those_of_a_folder(plan):
    made = plan(
        [FakeClip(["/s/a/5.jpg", "/s/a/6.jpg"], [99, 132], [1, 2])],
        [FakeClip(["/s/a/2.jpg"], [33], [3]), FakeClip(["/s/b/9.jpg"], [500], [3])],
    )
    assert made.first_times == {"ho3d-s-a": 33, "ho3d-s-b": 500}


def test_wrong_joint_order_is_named_with_its_tar(plan, make_world):
    hand = next(iter(make_world(num_frames=1).hands[0].values()))
    clip = FakeClip(["s/0.jpg"], [0], [1])
    clip.array("joint_cam")[0] = hand.keypoints[[*range(1, 21), 0]] * 1000
    assert plan([clip]).is_kept.all()  # nothing is annotated in 3D
    clip.array("joint_3d_valid")[0, 1:] = 1  # HOT3D lacks one keypoint
    with pytest.raises(ValueError, match=r"^0\.tar: joint_cam"):
        plan([clip])
    clip.array("joint_cam")[0] = hand.keypoints * 1000
    assert plan([clip]).is_kept.all()


def test_names_and_photographs():
    clip = FakeClip(["/x/y/7.jpg"], [0], [1], source="")
    assert folder_of(clip) == "unknown-x-y"
    assert is_single(clip, np.zeros(1))
    assert not is_single(clip, np.ones(1))
    assert not is_single(FakeClip(["0.jpg", "1.jpg"], [0, 0], [1, 2]), np.zeros(2))
