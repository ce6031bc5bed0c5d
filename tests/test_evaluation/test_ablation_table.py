import json
from dataclasses import replace

import numpy as np
import pytest

from handvit.evaluation.ablation_table import AblationTable, MeasuredVariant
from handvit.evaluation.depth_bins import bin_by_depth
from handvit.evaluation.summary import summarize

LABELS = {"fixed": ["-", ""], "default": ["uv", "ca"], "good": ["uv", "none"], "lost": ["xy", "ca"]}


def moved(truth, metres, *, seed=0):
    """The annotation, moved along z, and a little noise."""
    noise = np.random.default_rng(seed).normal(0, 0.001, truth.keypoints_cam.shape)
    return truth.keypoints_cam + np.array([0.0, 0.0, metres]) + noise


@pytest.fixture
def measured(truth) -> dict[str, MeasuredVariant]:
    """The default was trained with two seeds, 4 mm apart."""
    trainings = {
        "default": [moved(truth, 0.048), moved(truth, 0.052, seed=1)],
        "fixed": [moved(truth, 0.5)],
        "good": [moved(truth, 0.001)],
        "near": [moved(truth, 0.051)],
    }
    return {name: MeasuredVariant.measure(preds, truth) for name, preds in trainings.items()}


def test_numbers_are_the_averages_of_what_summarize_says(truth):
    preds = [moved(truth, 0.01), moved(truth, 0.03, seed=1)]
    variant = MeasuredVariant.measure(preds, truth)
    summaries = [summarize(pred, truth) for pred in preds]
    for name, value in variant.metrics.items():
        assert value == pytest.approx((summaries[0][name] + summaries[1][name]) / 2)
    bins = [bin_by_depth(pred, truth, max_bins=4) for pred in preds]
    assert variant.depth_bins.root_error == pytest.approx(
        (bins[0].root_error + bins[1].root_error) / 2
    )
    assert variant.errors.shape == (2, len(truth))
    assert 1000 * variant.errors.mean(axis=1) == pytest.approx(
        [summary["mpjpe_cam"] for summary in summaries]
    )


def test_hands_that_would_weigh_less_are_refused(truth):
    valid = truth.keypoints_cam_valid.copy()
    valid[3, 5] = False
    with pytest.raises(ValueError, match="all 21 keypoints"):
        MeasuredVariant.measure([truth.keypoints_cam], replace(truth, keypoints_cam_valid=valid))


def test_verdicts_name_what_is_more_than_chance(truth):
    shifts = {"default": 0.05, "worse": 0.06, "better": 0.04, "even": 0.0501}
    rng = np.random.default_rng(0)
    jitter = {name: rng.normal(0, 0.004, (len(truth), 1, 1)) * np.eye(3)[2] for name in shifts}
    tested = {
        name: MeasuredVariant.measure([moved(truth, shift) + jitter[name]], truth)
        for name, shift in shifts.items()
    }
    verdicts = AblationTable(tested, default="default").verdicts
    assert verdicts.pop("default").word == "-"
    assert {name: verdict.word for name, verdict in verdicts.items()} == {
        name: name for name in ("worse", "better", "even")
    }


def test_the_luck_of_trainings_counts(measured, truth):
    """Two seeds 4 mm apart make a difference of 10 mm uncertain, which hands alone do not."""
    measured["near"] = MeasuredVariant.measure([moved(truth, 0.060)], truth)
    lucky = AblationTable(measured, default="default")
    assert lucky.noise.share == pytest.approx(0.004 / np.sqrt(2) / 0.05, rel=0.1)
    assert lucky.verdicts["near"].word == "even"
    one_seed = measured["default"]._replace(errors=measured["default"].errors[:1])
    sure = AblationTable({**measured, "default": one_seed}, default="default")
    assert sure.verdicts["near"].word == "worse"


def test_the_table_has_a_line_for_every_label(measured):
    table = AblationTable(measured, default="default")
    lines = table.to_markdown(["translation", "embedding"], LABELS).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(lines) == 2 + len(LABELS) and len({len(row) for row in cells}) == 1
    heads = cells[0]
    assert heads[:5] == ["translation", "embedding", "mpjpe_cam", "difference", "verdict"]
    assert heads[-3:] == ["root_error", "mpjpe_rel", "pa_mpjpe"]
    assert len([head for head in heads if head.startswith("root 0.")]) == 4
    by_label = dict(
        zip(LABELS, (dict(zip(heads, row, strict=True)) for row in cells[2:]), strict=True)
    )
    assert by_label["default"]["mpjpe_cam"] == "50.0" and by_label["default"]["difference"] == "-"
    assert (
        by_label["good"]["difference"].startswith("-48.") and "[" in by_label["good"]["difference"]
    )
    assert set(cells[-1][2:]) == {"-"}


def test_findings_name_the_winners_and_how_sure_they_are(measured):
    meaning, winners = AblationTable(measured, default="default").findings()
    assert "minus that of `default`" in meaning and "1 degrees of freedom" in meaning
    assert winners.startswith("Smallest `mpjpe_cam`: `good`, 1.8 mm.")
    assert winners.endswith("beyond chance: `good`.")
    single = {name: variant for name, variant in measured.items() if name != "default"}
    meaning, winners = AblationTable(single, default="fixed").findings()
    assert "luck may have decided" in meaning
    assert winners.endswith("beyond chance: `good`, `near`.")


def test_without_the_default_nothing_is_compared(measured):
    table = AblationTable({"good": measured["good"]}, default="default")
    assert table.verdicts["good"].word == "-"
    assert "| - | - |" in table.to_markdown(["a", "b"], {"good": ["x", "y"]})


def test_json_is_in_millimetres(measured):
    values = json.loads(json.dumps(AblationTable(measured, default="default").to_json()))
    row = values["rows"]["default"]
    assert row["num_seeds"] == 2 and row["difference"] is None
    assert row["mpjpe_cam"]["mean"] == pytest.approx(row["metrics"]["mpjpe_cam"])
    assert values["seed_noise"]["degrees_of_freedom"] == 1
    assert values["rows"]["good"]["difference"]["mean"] == pytest.approx(-48.1, abs=0.2)
