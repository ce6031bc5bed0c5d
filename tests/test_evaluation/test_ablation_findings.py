import numpy as np
import pytest

from handvit.evaluation.ablation_findings import describe_floor, describe_verdicts, findings
from handvit.evaluation.ablation_table import COMPARED, AblationTable, MeasuredVariant
from handvit.evaluation.depth_bins import DepthBins

BINS = DepthBins(*(np.array(x) for x in ([0.2, 1.2], [10], [0.1], [0.0])))
ERRORS = np.random.default_rng(0).uniform(0.02, 0.08, (1, 200))
NOISE = np.random.default_rng(1).normal(0, 0.02, (1, 200))


def variant(shift: float, *, num_seeds: int = 1) -> MeasuredVariant:
    """Errors of 50 mm and the shift; every hand differs in both directions."""
    errors = ERRORS + (shift + NOISE - NOISE.mean() if shift else 0.0)
    errors = errors - errors.mean() + 0.05 + shift
    errors = np.repeat(errors, num_seeds, axis=0)
    metrics = {name: 1000 * float(errors.mean()) for name in COMPARED}
    return MeasuredVariant(metrics, BINS, dict.fromkeys(COMPARED, errors), num_seeds)


def table(**shifts: float) -> AblationTable:
    rows = {name: variant(shift) for name, shift in shifts.items()}
    return AblationTable({"default": variant(0.0), **rows}, default="default")


def test_winners_and_losers_stand_under_the_metric_that_judges_them():
    results = table(good=-0.01, bad=0.01, same=-0.0005, other=0.02)
    cam, rel = findings(
        results,
        {"mpjpe_cam": ["good", "bad", "same"], "mpjpe_rel": ["other", "lost"], "pa_mpjpe": []},
    )
    assert cam == (
        "Judged by `mpjpe_cam`, against `default`: better `good`; worse `bad`; unclear `same`."
        " Smallest: `good`, 40.0 mm."
    )
    assert "better none; worse `other`; unclear none. Smallest: `default`, 50.0 mm." in rel


@pytest.mark.parametrize("shift", [-0.0005, 0.0005])
def test_the_smallest_is_not_called_best_while_that_is_unclear(shift):
    """Neither a row, nor the default."""
    (text,) = findings(table(same=shift), {"mpjpe_cam": ["same"]})
    smallest = "same" if shift < 0 else "default"
    assert f"Smallest: `{smallest}`, " in text
    assert text.endswith("mm; whether it is best is unclear.")


def test_the_meaning_of_a_verdict_names_what_it_rests_on():
    assert "no variant was trained with several seeds" in describe_verdicts(table(good=-0.01))
    rows = {"default": variant(0.0, num_seeds=3)}
    rows["default"].errors["mpjpe_rel"] = np.array([[0.01], [0.02]])
    text = describe_verdicts(AblationTable(rows, default="default"))
    assert "from `default`" in text and "with 2 degrees of freedom" in text
    assert "0.0% of mpjpe_cam, 49.0% of mpjpe_rel" in text and "Holm" in text


def test_the_floor_is_that_of_hands_whose_size_is_unknown(truth):
    """Hands of one size have none; others miss by the spread of sizes times their distance."""
    one = truth.select(np.zeros(8, dtype=int))
    assert "`mpjpe_cam` 0.0 and `root_error` 0.0" in describe_floor(one, one)
    assert "vary by 0.0%" in describe_floor(one, one)
