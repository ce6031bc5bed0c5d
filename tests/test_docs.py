"""The documents point at files that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("projects/**/*.md")])
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
COMMAND = re.compile(r"^(?:\.venv/bin/)?(?:python|bash) (tools/\S+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_name_existing_files(page):
    text = page.read_text()
    missing = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    missing += [tool for tool in COMMAND.findall(text) if not (ROOT / tool).exists()]
    assert not missing


def test_there_are_pages():
    assert {"README.md", "CONTRIBUTING.md", "data.md", "configs.md"} <= {p.name for p in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_pages_is_python_and_configs_are_dicts(page):
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for node in ast.parse(block).body:
            is_tuple = isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
            assert not is_tuple, f"a stray comma: {ast.unparse(node)[:60]}"
