import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from handvit.datasets import ShardReader
from handvit.datasets.doctor.examination import examine_table
from handvit.datasets.doctor.finding import Finding, Status
from handvit.datasets.doctor.report import DoctorReport, build_report


def pictures(page):
    encoded = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
        for text in encoded
    ]


def build(root, table, **options):
    findings = examine_table(table, None)
    options = {"num_random": 6, "seed": 0, **options}
    return build_report(ShardReader(root), table, findings, **options).to_html()


def test_good_data_get_distributions_and_random_hands(good_root, good_table):
    page = build(good_root, good_table)
    assert "synthetic / train: ok" in page and "102 of 102 samples examined" in page
    assert "Worst of" not in page
    plot, sheet = pictures(page)
    assert plot.shape[1] == 1100
    assert sheet.shape == (4 + 2 * 260, 4 + 4 * 260, 3)
    assert not re.search(r'(src|href)="http', page)


def test_the_worst_hands_are_shown_under_their_finding(good_root, good_table):
    princpt = good_table.princpt.copy()
    princpt[5] += 30
    page = build(good_root, replace(good_table, princpt=princpt), num_random=0)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == ["Distributions", "Worst of principal_point", "Worst of reprojection"]
    assert [picture.shape[0] for picture in pictures(page)[1:]] == [4 + 260] * 2


def test_the_choice_depends_on_the_seed_only(good_root, good_table):
    assert build(good_root, good_table, seed=1) == build(good_root, good_table, seed=1)
    assert build(good_root, good_table, seed=1) != build(good_root, good_table, seed=2)


def test_the_bad_come_first_and_text_is_escaped():
    report = DoctorReport("title")
    report.add_findings(
        [
            Finding(name="fine", status=Status.OK, sentence="a"),
            Finding(name="broken", status=Status.FAILED, sentence="x < 3 & y"),
            Finding(name="odd", status=Status.WARNING, sentence="b"),
        ]
    )
    page = report.to_html()
    assert page.index("broken") < page.index("odd") < page.index("fine")
    assert "x &lt; 3 &amp; y" in page


@pytest.mark.parametrize("num_random", [0, 1000])
def test_any_number_of_random_hands(good_root, good_table, num_random):
    page = build(good_root, good_table, num_random=num_random)
    assert len(pictures(page)) == (2 if num_random else 1)
