from dataclasses import fields

import numpy as np

from handvit.datasets.shards.label_table import label_table, to_sample
from handvit.structures import HandSample


def test_round_trip_is_exact(make_sample):
    samples = [make_sample(track=track, frame=track) for track in range(4)]
    samples[1].extra = {"subject": "s\u00e9", "fit": [0.1, None]}
    samples[2].keypoints_img_valid[4:9] = False
    samples[3].sample_id = samples[3].sample_id.replace("sequence", "a_longer_s\u00e9quence_")
    samples[3].mano_residual = None
    table = label_table(samples)
    for label, sample in zip(table, samples, strict=True):
        read = to_sample(label, sample.image)
        for field in fields(sample):
            expected, actual = getattr(sample, field.name), getattr(read, field.name)
            assert type(actual) is type(expected), field.name
            assert getattr(actual, "dtype", None) == getattr(expected, "dtype", None), field.name
            np.testing.assert_array_equal(actual, expected, err_msg=field.name)
        read.validate()


def test_every_field_but_the_image_has_its_column(make_sample):
    table = label_table([make_sample()])
    assert set(table.dtype.names) == {field.name for field in fields(HandSample)} - {"image"}
    assert not table.dtype.hasobject
