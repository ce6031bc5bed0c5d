import multiprocessing
import os
import time

import pytest

from handvit.atomic_file import atomic_file


def test_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_file(path) as file:
        file.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_exception_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def _write_and_die(path):
    with atomic_file(path) as file:
        file.write(b"half")
        os._exit(9)


def test_leftover_of_a_killed_process_is_hidden_and_swept_when_it_is_old(tmp_path):
    path = tmp_path / "a.bin"
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 9
    (leftover,) = os.listdir(tmp_path)
    assert leftover.startswith(".a.bin.") and leftover.endswith(".tmp")
    with atomic_file(path) as file:
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == [leftover, "a.bin"]
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / leftover, (two_days_ago, two_days_ago))
    with atomic_file(path) as file:
        file.write(b"whole")
    assert os.listdir(tmp_path) == ["a.bin"]


def test_two_processes_may_write_the_same_file_at_once(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_file(path) as first:
        first.write(b"first")
        with atomic_file(path) as second:
            second.write(b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_respects_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "a.bin") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640
