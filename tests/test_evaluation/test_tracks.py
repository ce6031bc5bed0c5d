import numpy as np
import pytest

from handvit.evaluation.tracks import evenly_spaced_triples, group_tracks
from handvit.structures.hand_sample import track_of


def test_track_is_the_id_without_its_frame():
    assert track_of("set/seq/cam/0012/left") == "set/seq/cam/left"


def test_a_foreign_id_is_refused():
    with pytest.raises(ValueError, match="'seq/0012' is not <dataset>"):
        track_of("seq/0012")


def test_rows_of_a_track_come_in_the_order_of_time():
    ids = ["d/a/c/2/right", "d/b/c/0/right", "d/a/c/0/right", "d/a/c/1/left", "d/a/c/1/right"]
    time = np.array([0.2, 0.0, 0.0, 0.1, 0.1])
    groups = {track: rows.tolist() for track, rows in group_tracks(ids, time).items()}
    assert groups == {"d/a/c/right": [2, 4, 0], "d/b/c/right": [1], "d/a/c/left": [3]}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ([0.0, 0.1, 0.2, 0.3], [True, True]),
        ([0.0, 0.1, 0.2, 0.4, 0.5, 0.6], [True, False, False, True]),  # a frame is missing
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8], [True, True, True, False, False]),  # even, but wide
        ([0.0, 0.1, 0.2, 0.2], [True, False]),  # two frames at one time
        ([0.0, 0.0, 0.0], [False]),
        ([0.0, 0.1003, 0.1996, 0.3], [True, True]),  # clocks jitter
        ([0.0, 0.1], []),
        ([0.0], []),
    ],
)
def test_evenly_spaced_triples(time, expected):
    assert evenly_spaced_triples(np.array(time)).tolist() == expected
