import numpy as np
import pytest

from handvit.datasets import row_filter
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.row_filter import RowFilter, rows_passing
from handvit.datasets.shards.shard_index import INDEX_DTYPE
from handvit.registry import FUNCTIONS


@pytest.fixture
def table():
    """Six rows; the comments name what is special about each."""
    rows = np.zeros(6, INDEX_DTYPE)
    rows["num_keypoints_cam"] = [21, 10, 21, 21, 21, 21]  # 1: few keypoints in 3D
    rows["num_keypoints_img"] = [21, 21, 5, 21, 21, 21]  # 2: few keypoints in 2D
    rows["bbox_size"] = [64, 64, 64, 63.9, 64, 64]  # 3: small
    rows["mano_residual"] = [0.004, 0.005, 0.0, 0.001, 0.0051, np.nan]  # 4: bad fit, 5: no fit
    rows["is_right"] = [1, 1, 0, 0, 0, 1]
    rows["camera_valid"] = [1, 0, 1, 1, 0, 1]
    return rows


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ({"min_keypoints_cam": 11}, [0, 2, 3, 4, 5]),
        ({"min_keypoints_cam": 10}, [0, 1, 2, 3, 4, 5]),
        ({"min_keypoints_img": 6}, [0, 1, 3, 4, 5]),
        ({"min_bbox_size": 64}, [0, 1, 2, 4, 5]),
        ({"max_mano_residual": 0.005}, [0, 1, 2, 3, 5]),
        ({"max_mano_residual": 0.005, "keep_unknown_residual": False}, [0, 1, 2, 3]),
        ({"is_right": True}, [0, 1, 5]),
        ({"is_right": False}, [2, 3, 4]),
        ({"camera_valid": True}, [0, 2, 3, 5]),
        ({"camera_valid": False}, [1, 4]),
        ({"is_right": True, "min_keypoints_cam": 21, "camera_valid": True}, [0, 5]),
    ],
)
def test_each_condition(table, conditions, kept):
    config = {"type": "RowFilter", **conditions}
    rows = rows_passing(config, np.arange(6), table, dataset_name="tiny")
    assert rows.tolist() == kept


def test_only_given_rows_count(table, monkeypatch):
    log = []
    monkeypatch.setattr(row_filter, "print_log", lambda text, **_: log.append(text))
    both = RowFilter(is_right=True, min_bbox_size=64.0)
    rows = rows_passing(both, np.array([5, 3, 2, 0]), table, dataset_name="x")
    assert rows.tolist() == [5, 0]
    assert log == ["x: RowFilter leaves out 2 of 4 frames (1 bbox_size < 64.0, 2 is_right != True)"]


def test_nothing_left_names_data_set_filter_and_counts(table):
    with pytest.raises(
        ValueError, match=r"row_filter: tiny: RowFilter .* 6 of 6 frames \(6 bbox_size < 1000\)"
    ):
        rows_passing(RowFilter(min_bbox_size=1000), np.arange(6), table, dataset_name="tiny")


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["min_keypoints_cam", "min_bbox_size", "max_mano_residual"])
def test_limits_that_are_none(name, limit):
    with pytest.raises(ValueError, match="must be positive"):
        RowFilter(**{name: limit})


def test_an_empty_filter_is_a_mistake():
    with pytest.raises(ValueError, match="nothing is asked for"):
        RowFilter()
    with pytest.raises(ValueError, match="nothing is asked for"):
        RowFilter(keep_unknown_residual=False)


def test_history_of_kept_frames_stays_available(shards_root):
    """Tracks are 6 frames long, frame f has its wrist at about 0.5 + 0.02 f metres."""

    @FUNCTIONS.register_module(force=True)
    class FarHands:
        def rejected(self, rows):
            return {"near": rows["frame_time"] < 4 / 30}

    dataset = HandClipDataset(shards_root, clip_length=3, row_filter={"type": "FarHands"})
    whole = HandClipDataset(shards_root, clip_length=3)
    assert len(dataset) == 8  # frames 4 and 5 of four tracks
    assert dataset.columns.tolist() == whole.columns[[4, 5, 10, 11, 16, 17, 22, 23]].tolist()
    clip, expected = dataset[2], whole[10]
    assert clip.frame_valid.all()
    assert [s.sample_id for s in clip.samples] == [s.sample_id for s in expected.samples]
    only_right = HandClipDataset(
        shards_root, indices=[13, 0, 7], row_filter={"type": "RowFilter", "is_right": True}
    )
    assert only_right.column("is_right").all() and len(only_right) == 2
    assert only_right[0].samples[0].sample_id == whole[13].samples[-1].sample_id
