"""Measure the hands of training data: ``compute_statistics.py DATA_ROOT... --out FILE.json``.

Heads start at the mean hand and cover the range of the data; both come from this file. It holds
means, covariances and joint limits of right (and mirrored left) hands, drawn from the data sets in
the ratio of ``--weights``. Labels are read, no images; what is not annotated does not count.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from handvit.atomic_file import atomic_file
from handvit.datasets import ShardReader
from handvit.datasets.statistics import (
    HandSurvey,
    plot_survey,
    share_out_of_range,
    survey_hands,
)
from handvit.structures import HandStatistics


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write, and say what was found."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.num_hands is not None and args.num_hands < 1:
        parser.error("--num-hands must be 1 or more")
    try:
        survey = _survey(args)
        statistics = survey.statistics()
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted; nothing was written\n")
    statistics.save(args.out)
    if args.picture is not None:
        args.picture.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(args.picture) as file:
            file.write(plot_survey(survey))
    print(_summary(survey, statistics))
    print(f"wrote {args.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("roots", type=Path, nargs="+", metavar="DATA_ROOT", help="data set folders")
    parser.add_argument("--out", type=Path, required=True, help="such as data/statistics/NAME.json")
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        help="how often each is drawn from, as in MixtureDataset; default: every hand alike",
    )
    parser.add_argument(
        "--num-hands", type=int, help="read at most so many of each data set, spread over it"
    )
    parser.add_argument("--picture", type=Path, help="PNG of the distributions to write")
    return parser


def _survey(args: argparse.Namespace) -> HandSurvey:
    readers = [ShardReader(root) for root in args.roots]
    sizes = [min(len(reader), args.num_hands or len(reader)) for reader in readers]
    with tqdm(total=sum(sizes), unit="hand") as bar:
        return survey_hands(
            readers, weights=args.weights, num_hands=args.num_hands, report=bar.update
        )


def _summary(survey: HandSurvey, statistics: HandStatistics) -> str:
    size, size_std = survey.hand_size.mean[0], survey.hand_size.std[0]
    outside, by_hand = map(share_out_of_range, (survey.log_scale, survey.log_scale_by_hand))
    lines = [
        f"hand model         {statistics.hand_model}",
        f"hands              {survey.pose.num_added} with a pose, {survey.root.num_added} with a"
        f" place, {survey.hand_size.num_added} with a size",
        f"wrist x, y, z      {_numbers(survey.root.mean)} m, sd {_numbers(survey.root.std)} m",
        f"hand size          {size:.4f} m, sd {size_std:.4f} m (middle finger)",
        f"box prior          {statistics.prior_scale:.4f} m,"
        f" {statistics.prior_scale_by_hand:.3f} hand sizes",
        f"far from the prior {outside:.1%} of the hands in metres, {by_hand:.1%} in hand sizes,"
        " beyond the bins of UvDistanceHead",
    ]
    return "\n".join(lines)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
