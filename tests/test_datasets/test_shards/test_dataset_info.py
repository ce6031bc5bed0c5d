import json

import pytest

from handvit.datasets.shards.dataset_info import DatasetInfo, ShardEntry

TEXTS = {"name": "tiny", "split": "train", "source": "here", "license": "CC0-1.0"}


def test_round_trip(tmp_path):
    info = DatasetInfo(
        **TEXTS,
        hand_model="mano",
        fingertips="manopth",
        shards=(ShardEntry("shard-000000.tar", 3, 10240), ShardEntry("shard-000001.tar", 1, 512)),
    )
    info.save(tmp_path)
    assert DatasetInfo.load(tmp_path) == info
    assert info.num_samples == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("license", None), ("hand_model", "smpl"), ("fingertips", "toes")],
)
def test_bad_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        DatasetInfo(**{**TEXTS, field: value})


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"dataset.json: not found.*data_root"):
        DatasetInfo.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version: 2"),
        ({"colour": "red"}, "exactly the keys"),
        ({"shards": [{"file": "a.tar"}]}, "shards: "),
    ],
)
def test_bad_file_is_named(tmp_path, change, message):
    DatasetInfo(**TEXTS).save(tmp_path)
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=rf"dataset.json: .*{message}"):
        DatasetInfo.load(tmp_path)


def test_broken_json_is_named(tmp_path):
    (tmp_path / "dataset.json").write_text('{"name": ')
    with pytest.raises(ValueError, match=r"dataset.json: "):
        DatasetInfo.load(tmp_path)
