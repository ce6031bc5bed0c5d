import json
from typing import NamedTuple

import numpy as np
import pytest

from handvit.datasets.converters.interhand_json import numbers, read_image_list, read_json


class Image(NamedTuple):
    id: int

    KEY = "file_name"

    @classmethod
    def of(cls, record):
        return cls(record["id"])


class Annotation(NamedTuple):
    id: int
    image_id: int

    KEY = "joint_valid"

    @classmethod
    def of(cls, record):
        return cls(record["id"], record["image_id"])


def test_objects_are_replaced_as_they_are_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"frames": {"7": {"world": [[1, 2]]}, "9": None}}))
    found = read_json(
        path,
        lambda record: numbers(record["world"], (2,)) if "world" in record else record,
        hint="",
    )
    assert found["frames"]["9"] is None
    np.testing.assert_array_equal(found["frames"]["7"], [1.0, 2.0])


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": {"world": [1, 2]',
        b'{"a": {"world": [1, 2, 3]}}',
        b'{"a": {"w": 1}}',
        b"\xff\xfe\x00",
    ],
    ids=["cut off", "other shape", "other keys", "not text"],
)
def test_bad_files_are_named_with_a_hint(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)

    def strict(record):
        return record if "a" in record else numbers(record["world"], (2,))

    with pytest.raises(ValueError, match=r"a.json: not readable .*; get it there"):
        read_json(path, strict, hint="get it there")


def test_missing_file_is_named_with_a_hint(tmp_path):
    with pytest.raises(ValueError, match=r"a.json: not found; get it there"):
        read_json(tmp_path / "a.json", dict, hint="get it there")


def test_images_and_annotations_are_paired_by_id(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": [image(4), image(2)], "annotations": [annotation(2)]}))
    found = read_image_list(path, Image, Annotation, hint="")
    assert found == [(Image(2), Annotation(9, 2))]


def image(number):
    return {"id": number, "file_name": "a.jpg"}


def annotation(image_id):
    return {"id": 9, "image_id": image_id, "joint_valid": [1]}


@pytest.mark.parametrize(
    "content, message",
    [
        ({"images": [image(4)], "annotations": [annotation(5)]}, "annotation 9 belongs"),
        ({"images": [image(4)], "annotations": []}, "annotations: want a list of objects"),
        ({"images": [image(4)]}, "annotations: want a list of objects"),
        ({"images": {"4": image(4)}}, "images: want a list of objects"),
        ([1, 2], "holds no JSON object"),
    ],
)
def test_lists_without_pairs_are_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"a.json: {message}.*; get it there"):
        read_image_list(path, Image, Annotation, hint="get it there")


@pytest.mark.parametrize(
    "images, annotations, message",
    [
        ([image(4), {"id": 2}], [annotation(4)], r"images: object 1 lacks 'file_name', .*\['id'\]"),
        (
            [image(4)],
            [{"id": 9, "image_id": 4}],
            r"annotations: object 0 lacks 'joint_valid', .*id'",
        ),
        ([annotation(4)], [annotation(4)], r"images: object 0 lacks 'file_name', found Annotation"),
        ([image(4)], [7], r"annotations: object 0 lacks 'joint_valid', found int"),
        ([image(4)], [{"id": 9, "joint_valid": [1]}], r"not readable .*image_id"),
    ],
)
def test_objects_that_lack_something_are_refused(tmp_path, images, annotations, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    with pytest.raises(ValueError, match=rf"a.json: {message}.*; get it there"):
        read_image_list(path, Image, Annotation, hint="get it there")


def test_numbers_may_be_nested_in_any_way():
    assert numbers([[1], [0], [1]], (3,), bool).tolist() == [True, False, True]
    assert numbers([1, 0, 1], (3,), bool).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="reshape"):
        numbers([1, 2], (3,))
