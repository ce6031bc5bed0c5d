import os
from datetime import datetime
from pathlib import Path

import pytest

from handvit.engine.run_times import RunTime, elapsed_seconds, run_times, total_seconds


def make_log(work_dir: Path, start: str, seconds: float) -> float:
    """Write what a Runner leaves; returns when it started."""
    log = work_dir / start / f"{start}.log"
    log.parent.mkdir(parents=True)
    log.write_text("told\n")
    begin = datetime.strptime(start, "%Y%m%d_%H%M%S").timestamp()
    os.utime(log, (begin + seconds, begin + seconds))
    return begin


def test_a_work_dir_tells_its_trainings_and_tests(tmp_path):
    begin = make_log(tmp_path, "20260102_030405", 90.0)
    later = make_log(tmp_path, "20260103_000000", 5.0)
    (tmp_path / "output.log").write_text("of no single program\n")
    assert run_times(tmp_path) == [(begin, begin + 90), (later, later + 5)]
    assert run_times(tmp_path / "nothing") == []


def test_programs_side_by_side_take_no_longer():
    """By hand: 0-10 and 4-16 overlap, 6-8 lies within, and nothing runs from 16 to 20."""
    times = [RunTime(20, 25), RunTime(4, 16), RunTime(0, 10), RunTime(6, 8)]
    assert total_seconds(times) == pytest.approx(10 + 12 + 2 + 5)
    assert elapsed_seconds(times) == pytest.approx(16 + 5)
    assert elapsed_seconds([]) == total_seconds([]) == 0
