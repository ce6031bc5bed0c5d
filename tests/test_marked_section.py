import pytest

from handvit.marked_section import write_section

TEXT = "# Title\n\n<!-- table -->\nold\n<!-- /table -->\nafter\n"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(TEXT)
    return path


def test_only_the_section_changes_and_repeating_changes_nothing(page):
    write_section(page, "table", "| a |\n\nnote\n")
    expected = "# Title\n\n<!-- table -->\n\n| a |\n\nnote\n\n<!-- /table -->\nafter\n"
    assert page.read_text() == expected
    write_section(page, "table", "| a |\n\nnote")
    assert page.read_text() == expected


@pytest.mark.parametrize(
    "text",
    [
        "no markers\n",
        TEXT.replace("<!-- /table -->", ""),
        TEXT + TEXT,
        "<!-- /table -->\n<!-- table -->\n",
    ],
)
def test_a_page_without_one_pair_of_markers_is_refused_and_kept(page, text):
    page.write_text(text)
    with pytest.raises(ValueError, match=r"page\.md: must hold the lines '<!-- table -->'"):
        write_section(page, "table", "new")
    assert page.read_text() == text


def test_another_section_is_not_touched(page):
    page.write_text(TEXT + TEXT.replace("table", "other"))
    write_section(page, "other", "new")
    assert page.read_text().startswith(TEXT)
