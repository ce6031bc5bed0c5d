from pathlib import Path

import pytest

from handvit.analysis import (
    ParameterCount,
    RecipeCost,
    TrainingMemory,
    insert_table,
    recipe_files,
    recipe_table,
    table_row,
)

BEGIN = "<!-- recipes: written by tools/analysis_tools/list_recipes.py -->"
END = "<!-- end of recipes -->"


def _cost(millions: float) -> RecipeCost:
    size = int(millions * 1e6)
    return RecipeCost(
        crop_size=224,
        num_frames=7,
        batch_size=32,
        parameters={
            "backbone": ParameterCount(size, 0),
            "head": ParameterCount(2_340_000, 2_340_000),
        },
        flops={"backbone": 10_000_000_000, "head": 160_000_000},
        memory=TrainingMemory(weights=2**30, optimizer=2**29, ema=2**30, step=2**31),
    )


def test_a_row_by_hand():
    assert table_row("stage2/dino_large_t7.py", _cost(10)) == (
        "| [stage2/dino_large_t7](stage2/dino_large_t7.py) | 224 | 7 | 12.3 | 2.3 | 10.2 | 4.5 |"
    )


def test_families_stay_together_and_grow():
    names = ["a/dino_large", "a/dino_small", "a/dinov3_tiny", "b/dino_tiny", "a/dino_small_x"]
    sizes = [3, 2, 1, 1, 2]
    costs = {f"{n}.py": _cost(size) for n, size in zip(names, sizes, strict=True)}
    head, rule, *rows = recipe_table(costs).splitlines()
    order = ["a/dino_small", "a/dino_small_x", "a/dino_large", "a/dinov3_tiny", "b/dino_tiny"]
    assert [row.split("]")[0].removeprefix("| [") for row in rows] == order
    assert "GFLOPs" in head and {line.count("|") for line in (head, rule, *rows)} == {8}


def test_bases_are_no_recipes(tmp_path):
    for name in ("_base_/models/x.py", "stage1/b.py", "stage1/a.py", "stage1/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert recipe_files(tmp_path) == [tmp_path / "stage1" / "a.py", tmp_path / "stage1" / "b.py"]


def test_the_table_replaces_the_old_one():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = insert_table(page, "new", Path("README.md"))
    assert new == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert insert_table(new, "new", Path("README.md")) == new


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_page_without_a_place(page):
    with pytest.raises(ValueError, match=r"configs/README.md: no place for the table"):
        insert_table(page, "new", Path("configs/README.md"))
