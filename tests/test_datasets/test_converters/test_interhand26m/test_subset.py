import numpy as np
import pytest

from handvit.datasets.converters.interhand26m.subset import AnnotationList, Subset

IMAGES = np.array(
    [(3, b"right"), (5, b"left"), (7, b"interacting"), (9, b"right")],
    [("annotation", np.int64), ("hand_type", "S11")],
)


@pytest.fixture
def ids(tmp_path):
    path = tmp_path / "aid_human_annot_train.txt"
    path.write_text("7\n3\n")
    return path


def test_everything_is_taken_by_default():
    assert Subset().mask(IMAGES).all()
    assert "human and machine annotated" in Subset().description


def test_hand_types_and_list_are_both_applied(ids):
    assert Subset(hand_types=("right", "left")).mask(IMAGES).tolist() == [1, 1, 0, 1]
    human, machine = AnnotationList(ids, inside=True), AnnotationList(ids, inside=False)
    assert Subset(listed=human).mask(IMAGES).tolist() == [1, 0, 1, 0]
    assert Subset(listed=machine).mask(IMAGES).tolist() == [0, 1, 0, 1]
    assert Subset(hand_types=("right",), listed=human).mask(IMAGES).tolist() == [1, 0, 0, 0]


def test_description_tells_subsets_apart(ids):
    listed = [None, AnnotationList(ids, inside=True), AnnotationList(ids, inside=False)]
    types = [("right",), ("right", "left")]
    found = {Subset(hand_types=t, listed=chosen).description for t in types for chosen in listed}
    assert len(found) == 6
    assert sum("aid_human_annot_train.txt" in text for text in found) == 4
    assert sum("not on the list" in text and "official subset M" in text for text in found) == 2


@pytest.mark.parametrize(
    "text, message",
    [
        ("7\n3.5\n", r"entry 2 is '3.5', want an annotation id"),
        ("7\n11\n", r"1 of 2 ids, such as 11, are not in data.json; .*release"),
    ],
)
def test_bad_lists_are_named(ids, text, message):
    ids.write_text(text)
    with pytest.raises(ValueError, match=rf"aid_human_annot_train.txt: {message}"):
        AnnotationList(ids, inside=False).mask(IMAGES["annotation"])


def test_missing_list_and_empty_choice_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"none.txt: not found"):
        AnnotationList(tmp_path / "none.txt", inside=True).mask(IMAGES["annotation"])
    with pytest.raises(ValueError, match=r"type left.*no such image"):
        Subset(hand_types=("left",)).mask(IMAGES[:1])
