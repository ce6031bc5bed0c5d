"""Say in sentences what the table of an ablation shows, and how sure that is."""

from collections.abc import Mapping, Sequence

from handvit.evaluation.ablation_table import COMPARED, UNCLEAR, AblationTable
from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.summary import MILLIMETRES, summarize
from handvit.evaluation.unknown_size import SizeSpread, at_mean_size


def describe_verdicts(table: AblationTable) -> str:
    """Say what the cells of the table mean."""
    degrees = table.noise["mpjpe_cam"].degrees_of_freedom
    spread = ", ".join(f"{table.noise[metric].share:.1%} of {metric}" for metric in COMPARED)
    luck = (
        f" and over other seeds (standard deviation between trainings {spread}; estimated with"
        f" {degrees} degrees of freedom)"
        if degrees
        else " only; no variant was trained with several seeds, so luck may have decided"
    )
    return (
        f"`difference`: from `{table.default}`, hand by hand, with the 95 % interval of this row"
        f" alone over other test hands{luck}. Its word counts all rows of the metric: they are"
        f" right together with 95 % (Holm 1979), so an interval without zero may be `{UNCLEAR}`."
        " Rows are compared with the default only, not with each other."
    )


def describe_floor(train_hands: GroundTruth, truth: GroundTruth) -> str:
    """Say what errors a model cannot avoid that knows all but the size of the hand."""
    sizes = SizeSpread.of(train_hands)
    metrics = summarize(at_mean_size(truth, sizes.mean), truth)
    return (
        f"Sizes of hands vary by {sizes.share:.1%}, which one image hardly shows. The true hands,"
        " moved along their rays to where hands of mean size would be, have `mpjpe_cam`"
        f" {metrics['mpjpe_cam']:.1f} and `root_error` {metrics['root_error']:.1f}: about the least"
        " that can be reached here."
    )


def findings(table: AblationTable, rows_by_metric: Mapping[str, Sequence[str]]) -> list[str]:
    """Name winners and losers under each metric, and the row with the smallest error.

    Args:
        rows_by_metric: metric -> the variants that it judges.
    """
    measured = {
        metric: [name for name in names if name in table.measured]
        for metric, names in rows_by_metric.items()
    }
    return [_finding(table, metric, names) for metric, names in measured.items() if names]


def _finding(table: AblationTable, metric: str, names: Sequence[str]) -> str:
    by_word = {
        word: ", ".join(f"`{name}`" for name in names if table.word(name, metric) == word) or "none"
        for word in ("better", "worse", UNCLEAR)
    }
    known = [*names, *([table.default] if table.default in table.measured else [])]
    smallest = min(known, key=lambda name: table.measured[name].metrics[metric])
    equals = by_word[UNCLEAR] != "none"
    unclear = equals if smallest == table.default else table.word(smallest, metric) == UNCLEAR
    return (
        f"Judged by `{metric}`, against `{table.default}`: better {by_word['better']}; worse"
        f" {by_word['worse']}; unclear {by_word[UNCLEAR]}. Smallest: `{smallest}`,"
        f" {_millimetres(table, smallest, metric)} mm"
        + (f"; whether it is best is {UNCLEAR}." if unclear else ".")
    )


def _millimetres(table: AblationTable, name: str, metric: str) -> str:
    return f"{table.measured[name].errors[metric].mean() * MILLIMETRES:.1f}"
