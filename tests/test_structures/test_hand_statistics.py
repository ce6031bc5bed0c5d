import json

import numpy as np
import pytest

from handvit.structures import HandStatistics

FIX = r"make it with `python tools/misc/compute_statistics\.py DATA_ROOT\.\.\. --out FILE`$"


@pytest.fixture
def content():
    """What a file of statistics holds, of random numbers."""
    rng = np.random.default_rng(0)
    shapes = {
        "pose_mean": (16, 3),
        "pose_covariance": (48, 48),
        "betas_mean": (10,),
        "betas_covariance": (10, 10),
        "root_mean": (3,),
        "root_covariance": (3, 3),
        "root_by_hand_mean": (3,),
        "root_by_hand_covariance": (3, 3),
    }
    return {
        "hand_model": "openhand",
        "num_hands": 12,
        "pose_low": np.full((15, 3), -1.0).tolist(),
        "pose_high": np.full((15, 3), 1.5).tolist(),
        "prior_scale": 0.13,
        "prior_scale_by_hand": 1.4,
        **{name: rng.normal(size=shape).tolist() for name, shape in shapes.items()},
    }


def test_content_comes_back_exactly(content, tmp_path):
    statistics = HandStatistics.load(content)
    assert statistics.pose_covariance.dtype == np.float64
    assert json.loads(json.dumps(statistics.to_json())) == content
    statistics.save(tmp_path / "new" / "mine.json")
    assert HandStatistics.load(tmp_path / "new" / "mine.json").to_json() == content
    assert HandStatistics.load(str(tmp_path / "new" / "mine.json")).to_json() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.json"]


def test_statistics_are_taken_as_they_are(content):
    statistics = HandStatistics.load(content)
    assert HandStatistics.load(statistics) is statistics


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("betas_mean", [0.0] * 9, r"betas_mean: shape \(9,\), want \(10,\)"),
        ("root_mean", [0.0, 1.0, float("nan")], "root_mean: holds NaN or infinity"),
        ("root_mean", [0.0, [1.0], 2.0], "root_mean: not an array of numbers"),
        ("root_covariance", None, "root_covariance: "),
        ("pose_low", np.full((15, 3), 1.5).tolist(), "pose_low: must lie below pose_high"),
        ("prior_scale", 0.0, "prior_scale: must be positive, is 0.0"),
        ("prior_scale_by_hand", "much", "prior_scale_by_hand: not an array of numbers"),
        ("num_hands", 0, "num_hands: must be positive"),
        ("hand_model", None, "hand_model: must be a name, is None"),
    ],
)
def test_bad_values_are_refused_by_file_key_and_fix(content, tmp_path, key, value, message):
    content[key] = value
    with pytest.raises(ValueError, match=f"^statistics: {message}.*; {FIX}"):
        HandStatistics.load(content)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"^statistics \S*mine.json: {message}.*; {FIX}"):
        HandStatistics.load(path)


def test_wrong_keys_are_named(content):
    del content["betas_mean"]
    content["beta_mean"] = []
    message = rf"missing keys \['betas_mean'\], unknown keys \['beta_mean'\]; {FIX}"
    with pytest.raises(ValueError, match=message):
        HandStatistics.load(content)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "Expecting property name"), ("[1]", "must be an object")]
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"mine.json: {message}.*; {FIX}"):
        HandStatistics.load(path)


def test_a_missing_file_is_named_with_the_ways_to_get_it():
    """Whoever only tests a model has no training data to measure."""
    message = rf"^statistics no/such\.json: no such file; copy it from where the model .* or {FIX}"
    with pytest.raises(FileNotFoundError, match=message):
        HandStatistics.load("no/such.json")


def test_what_json_cannot_hold_is_never_written(content, tmp_path):
    statistics = HandStatistics.load(content)
    statistics.root_mean[0] = np.inf
    with pytest.raises(ValueError, match="not JSON compliant"):
        statistics.save(tmp_path / "mine.json")
    assert not list(tmp_path.iterdir())
