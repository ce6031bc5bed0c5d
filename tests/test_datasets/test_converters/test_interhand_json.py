import json
from typing import NamedTuple

import numpy as np
import pytest

from handvit.datasets.converters.interhand_json import numbers, read_image_list, read_json


class Record(NamedTuple):
    id: int
    image_id: int | None


def compact(record):
    return Record(record["id"], record.get("image_id")) if "id" in record else record


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
    content = {"images": [{"id": 4}, {"id": 2}], "annotations": [{"id": 9, "image_id": 2}]}
    path.write_text(json.dumps(content))
    assert read_image_list(path, compact, hint="") == [(Record(2, None), Record(9, 2))]


@pytest.mark.parametrize(
    "content, message",
    [
        (
            {"images": [{"id": 4}], "annotations": [{"id": 9, "image_id": 5}]},
            "annotation 9 belongs",
        ),
        ({"images": [{"id": 4}], "annotations": []}, "has no images or no annotations"),
        ({"images": [{"id": 4}]}, "has no images or no annotations"),
        ([1, 2], "holds no JSON object"),
    ],
)
def test_lists_without_pairs_are_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"a.json: {message}.*; get it there"):
        read_image_list(path, compact, hint="get it there")


def test_numbers_may_be_nested_in_any_way():
    assert numbers([[1], [0], [1]], (3,), bool).tolist() == [True, False, True]
    assert numbers([1, 0, 1], (3,), bool).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="reshape"):
        numbers([1, 2], (3,))
