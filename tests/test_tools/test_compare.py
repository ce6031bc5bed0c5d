import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from handvit.datasets.shards.shard_reader import ShardReader
from handvit.evaluation import (
    ConstantPredictor,
    PredictionFile,
    PredictionHeader,
    smooth_tracks,
    summarize,
)
from handvit.evaluation.data_labels import read_ground_truth
from handvit.evaluation.one_euro_tracks import DEFAULT_SETTINGS
from handvit.hand_models.mano_layer import ManoLayer


@pytest.fixture(scope="module")
def compare(load_tool):
    return load_tool("analysis_tools/compare.py").main


@pytest.fixture(scope="module")
def train_root(make_shards) -> Path:
    return make_shards(name="train", seed=1)


@pytest.fixture(scope="module")
def test_root(make_shards) -> Path:
    return make_shards(name="test", seed=2)


@pytest.fixture(scope="module")
def identity() -> str:
    return ManoLayer().identity


def predict(root: Path, path: Path, *, noise: float, hand_model: str) -> PredictionFile:
    """Write the annotation with noise as a prediction file, in a mixed order."""
    reader = ShardReader(root)
    truth = read_ground_truth(reader)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(truth))
    truth = truth.select(order)
    samples = [reader.read_sample(row) for row in order]
    keypoints_cam = truth.keypoints_cam + rng.normal(0, noise, truth.keypoints_cam.shape)
    predictions = PredictionFile(
        header=PredictionHeader(hand_model=hand_model, config="c.py", checkpoint="last.pth"),
        sample_id=truth.sample_id,
        frame_time=truth.frame_time,
        is_right=truth.is_right,
        keypoints_cam=keypoints_cam,
        root_cam=keypoints_cam[:, 0],
        global_orient=np.array([sample.global_orient for sample in samples]),
        hand_pose=np.array([sample.hand_pose for sample in samples]),
        betas=np.array([sample.betas for sample in samples]),
        focal=truth.focal,
        princpt=truth.princpt,
        bbox_xyxy=truth.bbox_xyxy,
    )
    predictions.save(path)
    return predictions


@pytest.fixture
def arguments(tmp_path, train_root, test_root, identity) -> list[str]:
    """Two stages; everything is written below the temporary folder."""
    for stage, noise in (("stage1", 0.02), ("stage2", 0.01)):
        predict(test_root, tmp_path / f"{stage}.npz", noise=noise, hand_model=identity)
    return [
        *("--data", str(test_root)),
        *("--train-data", str(train_root)),
        *("--stage1", str(tmp_path / "stage1.npz")),
        *("--stage2", str(tmp_path / "stage2.npz")),
        *("--out", str(tmp_path / "out")),
        *("--num-pictures", "3"),
    ]


def without_stage2(arguments: list[str]) -> list[str]:
    place = arguments.index("--stage2")
    return arguments[:place] + arguments[place + 2 :]


def read_metrics(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_rows_are_what_summarize_says(compare, arguments, tmp_path, train_root, test_root, capsys):
    compare(arguments)
    result = read_metrics(tmp_path)
    assert list(result["rows"]) == ["constant", "stage1", "stage1_one_euro", "stage2"]

    truth = read_ground_truth(ShardReader(test_root))
    truth = truth.select(np.argsort(truth.sample_id))
    stage1 = PredictionFile.load(tmp_path / "stage1.npz")
    stage1 = stage1.select(np.argsort(stage1.sample_id))
    constant = ConstantPredictor.fit(read_ground_truth(ShardReader(train_root)))
    smoothed = smooth_tracks(
        stage1.keypoints_cam, truth.sample_id, truth.frame_time, DEFAULT_SETTINGS
    )
    expected = {
        "constant": constant.predict(truth),
        "stage1": stage1.keypoints_cam,
        "stage1_one_euro": smoothed,
    }
    for name, pred in expected.items():
        for metric, value in summarize(pred, truth).items():
            assert result["rows"][name][metric] == pytest.approx(value, abs=1e-9), (name, metric)
    names = {"mpjpe_cam", "mpjpe_rel", "pa_mpjpe", "root_error", "root_error_z", "accel_error"}
    assert all(names <= set(row) for row in result["rows"].values())
    printed = capsys.readouterr().out
    assert "stage1_one_euro" in printed and "mpjpe_cam" in printed


def test_settings_are_recorded(compare, arguments, tmp_path, identity):
    compare(arguments)
    result = read_metrics(tmp_path)
    assert result["num_hands"] == result["num_hands_in_data"] == 24
    assert result["hand_model"] == identity and result["units"] == "mm"
    assert result["constant_predictor"]["num_hands"] == 24
    assert result["one_euro"]["used"] and result["one_euro"]["tuned_on"] is None
    assert result["one_euro"]["root"]["min_cutoff"] == DEFAULT_SETTINGS.root.min_cutoff
    assert result["predictions"]["stage2"]["checkpoint"] == "last.pth"
    assert set(result["depth_bins"]) == set(result["rows"])


def test_meshes_are_measured_where_both_sides_have_them(compare, arguments, tmp_path):
    compare(arguments)
    rows = read_metrics(tmp_path)["rows"]
    for stage in ("stage1", "stage2"):  # right pose and shape, wrong wrist
        assert rows[stage]["mpvpe_rel"] < 0.1 and rows[stage]["pa_mpvpe"] < 0.1
        assert rows[stage]["mpvpe_cam"] == pytest.approx(rows[stage]["root_error"], rel=0.05)
    assert "mpvpe_cam" not in rows["constant"] and "mpvpe_cam" not in rows["stage1_one_euro"]


def test_predictions_of_an_unknown_hand_model_have_no_vertex_metrics(
    compare, arguments, tmp_path, test_root
):
    arguments = without_stage2(arguments)
    predict(test_root, tmp_path / "stage1.npz", noise=0.01, hand_model="")
    compare(arguments)
    result = read_metrics(tmp_path)
    assert "mpvpe_cam" not in result["rows"]["stage1"]
    assert "predictions of unknown" in result["settings"]["vertex_metrics"]
    with pytest.raises(ValueError, match="--hand-model openhand: labels are of"):
        compare([*arguments, "--hand-model", "openhand"])


def test_stage1_alone_is_compared_with_the_constant(compare, arguments, tmp_path):
    compare(without_stage2(arguments))
    result = read_metrics(tmp_path)
    assert list(result["rows"]) == ["constant", "stage1"]
    assert not result["one_euro"]["used"]


def test_pictures_and_report_are_written(compare, arguments, tmp_path):
    log = tmp_path / "scalars.json"
    log.write_text(
        "".join(json.dumps({"loss": 1 / step, "step": step}) + "\n" for step in range(1, 9))
    )
    old = tmp_path / "out" / "overlays" / "99_old.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    compare([*arguments, "--train-log", f"stage1={log}"])
    pictures = sorted((tmp_path / "out" / "overlays").iterdir())
    assert [picture.name[:8] for picture in pictures] == ["00_test_", "01_test_", "02_test_"]
    assert cv2.imread(str(pictures[0])).shape == (320, 5 * 320, 3)
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("data:image/jpeg") == 3 and html.count("data:image/png") == 2
    assert "http" not in html


def test_the_filter_can_be_tuned_on_other_tracks(
    compare, arguments, tmp_path, train_root, identity
):
    tune = tmp_path / "tune.npz"
    predict(train_root, tune, noise=0.02, hand_model=identity)
    compare([*arguments, "--tune", str(tune), "--tune-data", str(train_root)])
    assert read_metrics(tmp_path)["one_euro"]["tuned_on"] == str(tune)

    stage1 = arguments[arguments.index("--stage1") + 1]
    with pytest.raises(ValueError, match="holds 24 of the hands compared on"):
        compare([*arguments, "--tune", stage1, "--tune-data", arguments[1]])
    with pytest.raises(SystemExit):
        compare([*arguments, "--tune", str(tune)])


def test_different_hands_are_refused(compare, arguments, tmp_path, train_root):
    path = tmp_path / "stage2.npz"
    predictions = PredictionFile.load(path)
    predictions.select(np.arange(1, 24)).save(path)
    with pytest.raises(ValueError, match="stage1 holds 24 hands and stage2 23, and 1"):
        compare(arguments)
    predictions.save(path)
    with pytest.raises(ValueError, match="lacks 24 of the 24 predicted hands"):
        compare(["--data", str(train_root), *arguments[2:]])


def test_different_hand_models_are_refused(compare, arguments, tmp_path, test_root):
    predict(test_root, tmp_path / "stage2.npz", noise=0.01, hand_model="mano:0123")
    with pytest.raises(ValueError, match="different hand models"):
        compare(arguments)


def test_part_of_a_data_set_can_be_compared(compare, arguments, tmp_path):
    for stage in ("stage1", "stage2"):
        path = tmp_path / f"{stage}.npz"
        predictions = PredictionFile.load(path)
        some = np.flatnonzero(np.char.find(predictions.sample_id, "sequence0") >= 0)
        predictions.select(some).save(path)
    compare(arguments)
    result = read_metrics(tmp_path)
    assert (result["num_hands"], result["num_hands_in_data"]) == (12, 24)
