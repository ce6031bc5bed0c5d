import multiprocessing
import os
import time

import cv2
import pytest
import torch

from handvit.datasets.shards.shard_pool import write_shards


def _writer(folder):
    def write(number, report):
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        (folder / str(number)).write_text(f"{number} {os.getpid()}")
        report(number)

    return write


@pytest.mark.parametrize("num_workers", [1, 2, 9])
def test_every_shard_is_written_and_counted(tmp_path, num_workers):
    counts = []
    write_shards([3, 0, 5], _writer(tmp_path), num_workers=num_workers, report=counts.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "3", "5"]
    assert sum(counts) == 8


def test_several_processes_work(tmp_path):
    write_shards(range(8), _writer(tmp_path), num_workers=2, report=lambda count: None)
    processes = {path.read_text().split()[1] for path in tmp_path.iterdir()}
    assert str(os.getpid()) not in processes


def test_a_single_process_is_this_one_and_keeps_its_threads(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        write_shards([1], _writer(tmp_path), num_workers=1, report=lambda count: None)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert (tmp_path / "1").read_text() == f"1 {os.getpid()}"


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_stops_the_rest(tmp_path, num_workers):
    write = _writer(tmp_path)

    def fail(number, report):
        if number == 0:
            raise ValueError("shard 0 is bad")
        time.sleep(0.02)
        write(number, report)

    with pytest.raises(ValueError, match="shard 0 is bad"):
        write_shards(range(100), fail, num_workers=num_workers, report=lambda count: None)
    assert not multiprocessing.active_children()
    time.sleep(0.2)
    # What had been handed out when the error came; a poll comes every 0.2 s.
    assert len(list(tmp_path.iterdir())) < 40


def test_no_shards_is_no_work(tmp_path):
    write_shards([], _writer(tmp_path), num_workers=4, report=lambda count: None)
    with pytest.raises(ValueError, match="num_workers: 0 must be 1 or more"):
        write_shards([1], _writer(tmp_path), num_workers=0, report=lambda count: None)
