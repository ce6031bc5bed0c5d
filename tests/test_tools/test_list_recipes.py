import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handvit.analysis import measure_file, recipe_files, table_row

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
TOOL = ROOT / "tools" / "analysis_tools" / "list_recipes.py"
MARKERS = "<!-- recipes -->\n<!-- /recipes -->\n"
STALE = "configs/README.md: run python tools/analysis_tools/list_recipes.py --write"


def _rows(page: Path) -> dict[str, str]:
    """Path of a recipe below configs/ -> its row."""
    rows = [line for line in page.read_text().splitlines() if line.startswith("| [")]
    return {row.split("](")[1].split(")")[0]: row for row in rows}


def _list_recipes(*arguments: object) -> None:
    """Run the tool in a process of its own, which starts others."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=200)


def test_writes_the_rows_into_the_page(tmp_path):
    shutil.copytree(CONFIGS / "_base_", tmp_path / "_base_")
    (tmp_path / "demo").mkdir()
    shutil.copy(CONFIGS / "demo" / "stage1_tiny.py", tmp_path / "demo")
    page = tmp_path / "README.md"
    page.write_text(f"# Recipes\n\n{MARKERS}")
    _list_recipes("--configs", tmp_path, "--write", page, "--num-workers", "1")
    assert list(_rows(page)) == ["demo/stage1_tiny.py"]
    assert page.read_text().startswith("# Recipes\n\n<!-- recipes -->\n\n| recipe |")


def test_a_page_without_a_place_fails_before_the_work(load_tool, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# Recipes\n")
    with pytest.raises(ValueError, match="must hold the lines '<!-- recipes -->'"):
        load_tool("analysis_tools/list_recipes.py").main(["--write", str(page)])


def test_the_page_lists_every_recipe():
    files = {path.relative_to(CONFIGS).as_posix() for path in recipe_files(CONFIGS)}
    assert _rows(CONFIGS / "README.md").keys() == files, STALE


@pytest.mark.parametrize("recipe", ["stage1/dino_small.py", "stage2/dino_small_t7.py"])
def test_the_page_is_up_to_date(recipe):
    row = table_row(recipe, measure_file(CONFIGS / recipe))
    assert _rows(CONFIGS / "README.md")[recipe] == row, STALE
