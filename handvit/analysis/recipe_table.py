"""Write the table of all recipes and what they cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from handvit.analysis.parameters import sum_counts
from handvit.analysis.recipe_cost import RecipeCost

_COLUMNS = (
    "recipe",
    "crop (px)",
    "frames",
    "parameters (M)",
    "trained (M)",
    "GFLOPs a frame",
    "GFLOPs a clip",
    "memory (GiB)",
)


def recipe_files(configs: Path) -> list[Path]:
    """List the recipes below a folder; bases are none."""
    return sorted(path for path in configs.rglob("*.py") if "_base_" not in path.parts)


def recipe_table(costs: Mapping[str, RecipeCost]) -> str:
    """Return a Markdown table, one row a recipe: families together, small models first.

    Args:
        costs: path below configs/ -> cost.
    """
    rule = ["---", *["---:"] * (len(_COLUMNS) - 1)]
    rows = [table_row(*item) for item in sorted(costs.items(), key=_place)]
    return "\n".join([_row(_COLUMNS), _row(rule), *rows])


def table_row(path: str, cost: RecipeCost) -> str:
    """Return the row of one recipe."""
    count = sum_counts(cost.parameters.values())
    return _row(
        [
            f"[{Path(path).with_suffix('').as_posix()}]({path})",
            str(cost.crop_size),
            str(cost.num_frames),
            f"{count.total / 1e6:.1f}",
            f"{count.trainable / 1e6:.1f}",
            _giga(cost.frame_flops),
            _giga(cost.clip_flops) if cost.num_frames > 1 else "",
            f"{cost.memory.total / 2**30:.1f}",
        ]
    )


def _place(item: tuple[str, RecipeCost]) -> tuple[Path, str, int, str]:
    """Say where a recipe stands in the table."""
    path, cost = Path(item[0]), item[1]
    family = path.stem.split("_")[0]
    return path.parent, family, sum_counts(cost.parameters.values()).total, path.stem


def _giga(flops: Mapping[str, int]) -> str:
    return f"{sum(flops.values()) / 1e9:.1f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
