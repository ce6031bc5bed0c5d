"""Print metrics as a table that people can read."""

from collections.abc import Mapping

#: Columns appear in this order; names that are not listed follow in the order of the rows.
COLUMN_ORDER = (
    "mpjpe_cam",
    "mpjpe_rel",
    "pa_mpjpe",
    "root_error",
    "root_error_x",
    "root_error_y",
    "root_error_z",
    "accel_error",
    "mpvpe_cam",
    "mpvpe_rel",
    "pa_mpvpe",
    "auc_cam",
    "auc_rel",
    "auc_pa",
    "num_hands",
)
MISSING = "-"


def rows_by_data_set(method: str, metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return one row of all hands, and one for each data set that ``DATASET/METRIC`` names."""
    rows = {method: {}}
    for name, value in metrics.items():
        data_set, _, metric = name.rpartition("/")
        rows.setdefault(data_set or method, {})[metric] = value
    return rows


def format_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Align the metrics of several methods: one line a method, one column a metric.

    Args:
        rows: method -> metric -> value, as ``summarize`` returns them.
    """
    columns = table_columns(rows)
    grid = [["", *columns]]
    grid += [
        [method, *(format_value(name, metrics.get(name)) for name in columns)]
        for method, metrics in rows.items()
    ]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return "\n".join(_format_line(cells, widths) for cells in grid)


def table_columns(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """List the metrics that at least one method has, in the customary order."""
    present = dict.fromkeys(name for metrics in rows.values() for name in metrics)
    known = [name for name in COLUMN_ORDER if name in present]
    return known + [name for name in present if name not in COLUMN_ORDER]


def format_value(name: str, value: float | None) -> str:
    """Write one metric: millimetres with two decimals, areas with three, counts with none."""
    if value is None:
        return MISSING
    if name.startswith("num_"):
        return f"{value:.0f}"
    return f"{value:.3f}" if name.startswith("auc_") else f"{value:.2f}"


def _format_line(cells: list[str], widths: list[int]) -> str:
    first, *others = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
