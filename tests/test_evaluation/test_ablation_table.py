import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from handvit.evaluation.ablation_table import COMPARED, AblationTable, MeasuredVariant
from handvit.evaluation.depth_bins import bin_by_depth
from handvit.evaluation.summary import summarize

NAMES = ["fixed", "default", "good", "lost"]


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
    return {
        name: MeasuredVariant.measure(preds, truth, is_trained=name != "fixed")
        for name, preds in trainings.items()
    }


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
    assert set(variant.errors) == {"mpjpe_cam", "mpjpe_rel", "pa_mpjpe"}
    for name, errors in variant.errors.items():
        assert errors.shape == (2, len(truth))
        assert 1000 * errors.mean(axis=1) == pytest.approx([row[name] for row in summaries])


def test_hands_that_would_weigh_less_are_refused(truth):
    valid = truth.keypoints_cam_valid.copy()
    valid[3, 5] = False
    with pytest.raises(ValueError, match="all 21 keypoints"):
        MeasuredVariant.measure([truth.keypoints_cam], replace(truth, keypoints_cam_valid=valid))


def test_verdicts_name_what_is_more_than_chance(truth):
    shifts = {"default": 0.05, "worse": 0.06, "better": 0.04, "unclear": 0.0501}
    rng = np.random.default_rng(0)
    jitter = {name: rng.normal(0, 0.004, (len(truth), 1, 1)) * np.eye(3)[2] for name in shifts}
    tested = {
        name: MeasuredVariant.measure([moved(truth, shift) + jitter[name]], truth)
        for name, shift in shifts.items()
    }
    table = AblationTable(tested, default="default")
    assert {name: table.word(name, "mpjpe_cam") for name in shifts} == {
        **{name: name for name in shifts},
        "default": "-",
    }


def test_each_metric_has_verdicts_of_its_own(truth):
    """Bent fingers are no matter of place, and a wrong place is none of pose."""
    bent = moved(truth, 0.05)
    bent[:, 5:] += np.random.default_rng(3).normal(0, 0.02, bent[:, 5:].shape)
    near = moved(truth, 0.05, seed=1)
    tested = {"default": near, "bent": bent, "far": near + np.array([0.0, 0.0, 0.15])}
    rows = {name: MeasuredVariant.measure([pred], truth) for name, pred in tested.items()}
    table = AblationTable(rows, default="default")
    assert table.word("bent", "mpjpe_rel") == table.word("bent", "pa_mpjpe") == "worse"
    assert table.word("far", "mpjpe_cam") == "worse"
    for metric in ("mpjpe_rel", "pa_mpjpe"):
        assert list(table.verdicts[metric]["far"].difference) == pytest.approx([0] * 3, abs=1e-9)
    noise = table.noise["mpjpe_rel"]
    assert noise == (0.0, 0) and set(table.noise) == {"mpjpe_cam", "mpjpe_rel", "pa_mpjpe"}


def test_many_rows_need_more_evidence(truth):
    """What is beyond chance alone is not so as one of twenty."""
    rng = np.random.default_rng(5)

    def row(shift: float) -> MeasuredVariant:
        jitter = rng.normal(0, 0.01, len(truth))
        jitter = shift + 0.01 * (jitter - jitter.mean()) / jitter.std()
        pred = truth.keypoints_cam + jitter[:, None, None] * np.eye(3)[2]
        errors = {metric: jitter[None] + 0.1 for metric in ("mpjpe_cam", "mpjpe_rel", "pa_mpjpe")}
        return MeasuredVariant.measure([pred], truth)._replace(errors=errors)

    rows = {"default": row(0.0)._replace(errors=dict.fromkeys(COMPARED, np.full((1, 1), 0.1)))}
    rows["shifted"] = row(2.4 * 0.01 / np.sqrt(len(truth)))
    alone = AblationTable(rows, default="default")
    assert alone.word("shifted", "mpjpe_cam") == "worse"
    many = AblationTable({**rows, **{f"{n}": row(0.0) for n in range(19)}}, default="default")
    assert many.verdicts["mpjpe_cam"]["shifted"].difference.low > 0
    assert many.word("shifted", "mpjpe_cam") == "unclear"


def test_the_luck_of_trainings_counts(measured, truth):
    """Two seeds 4 mm apart make a difference of 10 mm uncertain, which hands alone do not."""
    measured["near"] = MeasuredVariant.measure([moved(truth, 0.060)], truth)
    lucky = AblationTable(measured, default="default")
    assert lucky.noise["mpjpe_cam"].share == pytest.approx(0.004 / np.sqrt(2) / 0.05, rel=0.1)
    assert lucky.word("near", "mpjpe_cam") == "unclear"
    default = measured["default"]
    one_seed = default._replace(errors={name: e[:1] for name, e in default.errors.items()})
    sure = AblationTable({**measured, "default": one_seed}, default="default")
    assert sure.word("near", "mpjpe_cam") == "worse"


def test_what_was_not_trained_has_no_luck(measured, truth):
    """Only the default's seeds have a part in its difference."""

    def width(is_trained: bool) -> float:
        measured["fixed"] = MeasuredVariant.measure(
            [moved(truth, 0.5)], truth, is_trained=is_trained
        )
        table = AblationTable(measured, default="default")
        _, low, high = table.verdicts["mpjpe_cam"]["fixed"].difference
        return high - low

    std = 0.004 / np.sqrt(2) / np.sqrt(2)  # of the mean of the default's two
    assert width(False) == pytest.approx(2 * stats.t.ppf(0.975, 1) * std, rel=0.05)
    assert width(True) > 10 * width(False)


def test_the_table_has_a_line_for_every_name(measured):
    table = AblationTable(measured, default="default")
    lines = table.to_markdown(NAMES).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(lines) == 2 + len(NAMES) and len({len(row) for row in cells}) == 1
    heads, _, fixed, default, good, lost = cells
    assert heads[:8] == [
        *("variant", "seeds", "mpjpe_cam", "difference", "mpjpe_rel", "difference"),
        *("pa_mpjpe", "difference"),
    ]
    assert heads[8] == "root_error" and len(heads) == 13
    assert all(head.startswith("root_error 0.") for head in heads[9:])
    assert fixed[:2] == ["fixed", "-"] and good[:2] == ["good", "1"]
    assert default[:4] == ["**default**", "**2**", "**50.0**", "**-**"]
    assert good[3].startswith("-48.") and "[" in good[3] and good[3].endswith("] unclear")
    assert lost == ["lost"] + 12 * ["-"]


def test_without_the_default_nothing_is_compared(measured):
    table = AblationTable({"good": measured["good"]}, default="default")
    assert table.word("good", "mpjpe_cam") == "-"
    assert "| good | 1 | 1.8 | - |" in table.to_markdown(["good"])


def test_json_is_in_millimetres(measured):
    values = json.loads(json.dumps(AblationTable(measured, default="default").to_json()))
    row = values["rows"]["default"]
    assert row["num_seeds"] == 2 and row["differences"] == {}
    assert row["verdicts"] == {"mpjpe_cam": "-", "mpjpe_rel": "-", "pa_mpjpe": "-"}
    assert row["mpjpe_cam"]["mean"] == pytest.approx(row["metrics"]["mpjpe_cam"])
    assert values["seed_noise"]["mpjpe_cam"]["degrees_of_freedom"] == 1
    good = values["rows"]["good"]
    assert good["differences"]["mpjpe_cam"]["mean"] == pytest.approx(-48.1, abs=0.2)
    assert good["verdicts"]["mpjpe_cam"] == "unclear"  # one degree of freedom
    assert values["rows"]["fixed"]["num_seeds"] == 0
