import base64
from html.parser import HTMLParser

import pytest

from handvit.visualization.hand_report import HandReport

PNG = b"\x89PNG\r\n\x1a\nrest"


class Balance(HTMLParser):
    """Check that every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html: str) -> str:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return "".join(parser.text)


def test_a_report_is_one_valid_file(tmp_path):
    report = HandReport("Two < three")
    report.add_heading("Metrics & more")
    report.add_table(
        ["mpjpe", "auc"], {"a<b": ["1.0", "-"], "c": ["2.0", "0.5"]}, best={"mpjpe": "a<b"}
    )
    report.add_text("x > y")
    report.add_picture(PNG, 'a "hand"')
    report.add_settings({"path": "<data>", "k": 0.1})
    report.write(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    text = read(html)
    for expected in ("Two < three", "Metrics & more", "a<b", "x > y", '"path": "<data>"'):
        assert expected in text
    assert html.count('<td class="best">1.0</td>') == html.count('class="best"') == 1


def test_nothing_is_loaded_from_elsewhere():
    report = HandReport("t")
    report.add_picture(PNG, "one")
    report.add_picture(b"\xff\xd8\xffjpeg", "two")
    html = report.to_html()
    assert "http" not in html and "<script" not in html and "<link" not in html
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in html
    assert 'src="data:image/jpeg;base64,' in html


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match="'hand': bytes are neither"):
        HandReport("t").add_picture(b"GIF89a", "hand")
