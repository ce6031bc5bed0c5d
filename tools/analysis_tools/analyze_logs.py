"""Look at how trainings went, and compare them.

    python tools/analysis_tools/analyze_logs.py RUN [RUN ...] [--keys loss lr mpjpe_cam] \\
        [--out curves.png] [--smooth 10] [--metric mpjpe_cam] [--json FILE]

A RUN is a work dir of tools/train.py, whose resumed parts are put together, or one scalars.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from handvit.visualization.run_logs import plot_runs, read_run, summarize_log

DPI = 110
KEYS = ("loss", "lr", "grad_norm", "mpjpe_cam", "samples_per_s", "data_share")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and draw the curves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--keys", nargs="+", help="curves to draw; default: the usual ones")
    parser.add_argument("--out", type=Path, metavar="PNG", help="picture to write")
    parser.add_argument("--smooth", type=int, default=1, help="logged values to average over")
    parser.add_argument("--metric", default="mpjpe_cam", help="what is best when smallest")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there")
    args = parser.parse_args(arguments)
    try:
        runs = {name_of(run): read_run(run) for run in args.runs}
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    known = sorted({key for curves in runs.values() for key in curves})
    unknown = sorted(set(args.keys or ()) - set(known))
    if unknown:
        parser.exit(2, f"error: --keys {' '.join(unknown)}: not logged; there are {known}\n")

    rows = {name_of(run): summarize_log(run, runs[name_of(run)], args.metric) for run in args.runs}
    print(format_rows({name: row._asdict() for name, row in rows.items()}, args.metric))
    if args.json is not None:
        content = {name: row._asdict() for name, row in rows.items()}
        args.json.write_text(json.dumps(content, indent=2) + "\n")
    if args.out is not None:
        keys = args.keys or [key for key in KEYS if key in known]
        args.out.parent.mkdir(parents=True, exist_ok=True)
        plot_runs(runs, keys, smooth=args.smooth).savefig(args.out, dpi=DPI)
        print(f"wrote {args.out}")


def name_of(run: Path) -> str:
    """Return what a run is called: its work dir."""
    return (run.parents[2] if run.is_file() else run.resolve()).name


def format_rows(rows: dict[str, dict[str, float]], metric: str) -> str:
    """Return a table, one run a line."""
    titles = list(next(iter(rows.values())))
    widths = [max(12, len(title) + 2) for title in titles]
    width = max(map(len, rows)) + 2
    lines = [" " * width + "".join(f"{t:>{w}}" for t, w in zip(titles, widths, strict=True))]
    for name, row in rows.items():
        cells = (f"{row[t]:>{w}.5g}" for t, w in zip(titles, widths, strict=True))
        lines.append(f"{name:{width}}" + "".join(cells))
    return "\n".join([*lines, f"best and last: {metric}"])


if __name__ == "__main__":
    main()
