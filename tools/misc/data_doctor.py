"""Examine a data set: ``data_doctor.py data/shards/NAME --html report.html --json report.json``.

Checks units, joint order, bones, sides, axes, cameras, MANO, times and duplicates, and says what
is wrong by name. Exit status: 0 fine (or warnings), 1 a check failed, 2 no data set to examine.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from handvit.atomic_file import atomic_file
from handvit.datasets.doctor.collect import collect
from handvit.datasets.doctor.examination import MAX_SAMPLES, examine_table, to_record, worst_status
from handvit.datasets.doctor.finding import Finding, Status
from handvit.datasets.doctor.histograms import label_histograms
from handvit.datasets.doctor.posed_hands import load_hand_models
from handvit.datasets.doctor.report import build_report
from handvit.datasets.shards.shard_reader import ShardReader


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine, print, write, and return the exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.max_samples < 1 or args.num_pictures < 0:
        parser.error("--max-samples must be 1 or more, --num-pictures 0 or more")
    try:
        reader = ShardReader(args.root)
        models = load_hand_models(reader.info, args.mano)
    except ValueError as error:
        parser.error(str(error))
    with tqdm(total=min(args.max_samples, len(reader)), unit="hand") as bar:
        table = collect(reader, max_samples=args.max_samples, seed=args.seed, report=bar.update)
    findings = examine_table(table, models)
    for finding in findings:
        print(_line(finding))
    if args.json is not None:
        histograms = {name: h.to_record() for name, h in label_histograms(table).items()}
        record = {**to_record(table, findings), "histograms": histograms}
        _write(args.json, json.dumps(record, indent=2, allow_nan=False) + "\n")
    if args.html is not None:
        report = build_report(reader, table, findings, num_random=args.num_pictures, seed=args.seed)
        _write(args.html, report.to_html())
    status = worst_status(findings)
    print(f"{args.root}: {status.value}, {len(table)} of {len(reader)} samples examined")
    return int(status is Status.FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="data set folder")
    parser.add_argument("--html", type=Path, help="report with pictures to write")
    parser.add_argument("--json", type=Path, help="findings to write, for programs")
    parser.add_argument("--mano", type=Path, help="folder that setup_mano.py wrote")
    parser.add_argument(
        "--max-samples", type=int, default=MAX_SAMPLES, help="read at most so many, whole tracks"
    )
    parser.add_argument("--num-pictures", type=int, default=24, help="random ones in the report")
    parser.add_argument("--seed", type=int, default=0, help="of what is chosen at random")
    return parser


def _line(finding: Finding) -> str:
    return f"{finding.status.value.upper():8} {finding.name:16} {finding.sentence}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main())
