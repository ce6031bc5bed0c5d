import json
from dataclasses import fields

import numpy as np
import pytest

from handvit.datasets.shards.record_codec import decode_record, encode_record


def test_round_trip_is_exact(make_sample):
    sample = make_sample(track=1, frame=2)
    sample.extra = {"subject": "s\u00e9", "fit": [0.1, None]}
    sample.keypoints_img_valid[4:9] = False
    read = decode_record(encode_record(sample), sample.image)
    for field in fields(sample):
        expected, actual = getattr(sample, field.name), getattr(read, field.name)
        assert type(actual) is type(expected), field.name
        assert getattr(actual, "dtype", None) == getattr(expected, "dtype", None), field.name
        np.testing.assert_array_equal(actual, expected, err_msg=field.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"focal": [1.0]}, r"focal: shape \(1,\), want \(2,\)"),
        ({"betas": [float("nan")] * 10}, "betas: holds NaN"),
        ({"hand_pose": "zero"}, "hand_pose: not an array"),
        ({"image_size": 3}, "not an object of labels"),
        ({"sample_id": 3}, "not an object of labels"),
        ({"colour": 1}, r"unknown fields \['colour'\]"),
    ],
)
def test_checked_decoding_names_the_field(make_sample, change, message):
    record = json.dumps({**make_sample().to_record(), **change}).encode()
    with pytest.raises(ValueError, match=message):
        decode_record(record, b"")


@pytest.mark.parametrize("record", [b"\xff", b"{", b"3"])
def test_checked_decoding_of_other_bytes(record):
    with pytest.raises(ValueError):
        decode_record(record, b"")


def test_numbers_that_json_cannot_write(make_sample):
    sample = make_sample()
    sample.extra = {"fit": float("nan")}
    with pytest.raises(ValueError):
        encode_record(sample)
