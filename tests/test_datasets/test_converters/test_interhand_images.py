import numpy as np

from handvit.datasets.conversion.converter import Unit
from handvit.datasets.converters import interhand_images
from handvit.datasets.converters.interhand_images import cut_stretches, image_table, starts_of

COLUMNS = {
    "sequence": ["b", "a", "a", "a", "a"],
    "camera": ["1", "2", "10", "10", "10"],
    "frame": [5, 6, 100, 20, 3],
    "box": np.arange(10.0).reshape(5, 2),
}


def test_rows_are_sorted_by_sequence_camera_and_number_of_the_frame():
    table = image_table(COLUMNS)
    assert table["frame"].tolist() == [3, 20, 100, 6, 5]
    assert table["sequence"].tolist() == [b"a", b"a", b"a", b"a", b"b"]
    np.testing.assert_array_equal(table["box"][:, 0], [8, 6, 4, 2, 0])


def test_stretches_are_of_one_camera_and_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(interhand_images, "FRAMES_PER_UNIT", 2)
    table = image_table(COLUMNS)
    assert cut_stretches(table) == {
        Unit("a/10/000003", 2): slice(0, 2),
        Unit("a/10/000100", 1): slice(2, 3),
        Unit("a/2/000006", 1): slice(3, 4),
        Unit("b/1/000005", 1): slice(4, 5),
    }
    assert cut_stretches(table[:0]) == {}


def test_starts_are_where_a_column_changes():
    table = image_table(COLUMNS)
    assert starts_of(table, "sequence") == [0, 4, 5]
    assert starts_of(table, "sequence", "camera") == [0, 3, 4, 5]
    assert starts_of(table[:0], "sequence") == []
