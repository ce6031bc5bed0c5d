"""The documents point at files that exist."""

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
