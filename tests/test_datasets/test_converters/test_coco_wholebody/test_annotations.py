import json

import numpy as np
import pytest

from handvit.datasets.converters.coco_wholebody.annotations import load_annotations

IMAGE = {"id": 7, "file_name": "000000000007.jpg", "width": 64, "height": 48, "license": 1}


def person(person_id: int, **changes) -> dict:
    """One annotation with two valid hands, and with what else such a record has."""
    hands = {
        name: value
        for side, shift in (("left", 0.0), ("right", 0.5))
        for name, value in (
            (f"{side}hand_box", [1.0 + shift, 2.0, 10.0, 12.0]),
            (f"{side}hand_kpts", [shift + i for i in range(63)]),
            (f"{side}hand_valid", True),
        )
    }
    rest = {
        "segmentation": {"size": [48, 64], "counts": [1, 2]},
        "category_id": 1,
        "num_keypoints": 17,
        "keypoints": [0] * 51,
        "face_kpts": [0.0] * 204,
        "face_valid": False,
    }
    return {"id": person_id, "image_id": 7, "iscrowd": 0, **hands, **rest, **changes}


@pytest.fixture
def write(tmp_path):
    """Return ``write(persons, **changes)``: an annotation file with these persons."""

    def write(persons, **changes):
        path = tmp_path / "coco_wholebody_val_v1.0.json"
        content = {
            "info": {"version": "1.0"},
            "licenses": [{"id": 1, "name": "CC"}],
            "images": [IMAGE],
            "annotations": persons,
            "categories": [{"id": 1, "name": "person"}],
            **changes,
        }
        path.write_text(json.dumps(content))
        return path

    return write


def test_hands_are_sorted_and_keep_all_numbers(write):
    images, hands = load_annotations(write([person(30), person(4)]))
    assert images[7].file_name == IMAGE["file_name"] and images[7].size == (64, 48)
    assert hands.person_id.tolist() == [4, 4, 30, 30]
    assert hands.is_right.tolist() == [False, True, False, True]
    assert hands.image_id.tolist() == [7] * 4
    assert hands.box_xywh[1].tolist() == [1.5, 2.0, 10.0, 12.0]
    np.testing.assert_array_equal(hands.keypoints[1], 0.5 + np.arange(63).reshape(21, 3))


def test_invalid_hands_and_crowds_are_no_hands(write):
    persons = [
        person(1, lefthand_valid=False),
        person(2, iscrowd=1),
        person(3, righthand_valid=False),
    ]
    hands = load_annotations(write(persons))[1]
    assert hands.person_id.tolist() == [1, 3] and hands.is_right.tolist() == [True, False]


def test_missing_file_is_named_with_its_origin(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.json: not found; .*jin-s13/COCO-WholeBody"):
        load_annotations(tmp_path / "nothing.json")


@pytest.mark.parametrize("content", [b'{"images": [', b"", b"\xff\xfe\x00", b"[]", b"{}"])
def test_files_that_are_cut_or_something_else_are_named(write, content):
    path = write([])
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"val_v1\.0\.json: no readable COCO-WholeBody file"):
        load_annotations(path)


def test_half_a_download_is_named(write):
    path = write([person(1)])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"val_v1\.0\.json: no readable"):
        load_annotations(path)


def test_plain_coco_keypoints_are_refused(write):
    plain = {"id": 1, "image_id": 7, "iscrowd": 0, "keypoints": [0] * 51, "bbox": [0, 0, 9, 9]}
    with pytest.raises(ValueError, match=r"an annotation lacks one of.*lefthand_kpts"):
        load_annotations(write([plain]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lefthand_kpts": [0.0] * 62}, r"annotation 9: lefthand_box .*\(62,\), want .*\(63,\)"),
        ({"righthand_box": [0.0] * 5}, r"annotation 9: righthand_box has shape \(5,\)"),
        ({"righthand_kpts": ["x"] * 63}, "annotation 9: right hand holds no numbers"),
        ({"image_id": 8}, "annotation 9: its image 8 is not in 'images'"),
        ({"lefthand_valid": False, "righthand_valid": False}, "no hand in it is valid"),
    ],
)
def test_wrong_records_are_named(write, changes, message):
    with pytest.raises(ValueError, match=message):
        load_annotations(write([person(9, **changes)]))


def test_image_records_are_checked(write):
    with pytest.raises(ValueError, match="an image lacks one of"):
        load_annotations(write([person(9)], images=[{"id": 7, "file_name": "7.jpg"}]))
