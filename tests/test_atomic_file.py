import errno
import fcntl
import multiprocessing
import os
from pathlib import Path

import pytest

from handvit.atomic_file import atomic_file, sweep_abandoned


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


@pytest.fixture
def leftover(tmp_path) -> str:
    """Name of what a killed process left of ``a.bin``."""
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_write_and_die, args=(tmp_path / "a.bin",))
    process.start()
    process.join()
    assert process.exitcode == 9
    (name,) = os.listdir(tmp_path)
    return name


def test_leftover_of_a_killed_process_is_hidden_and_swept_by_the_next(tmp_path, leftover):
    assert leftover.startswith(".a.bin.") and leftover.endswith(".tmp")
    with atomic_file(tmp_path / "b.bin") as file:
        file.write(b"another name")
    assert sorted(os.listdir(tmp_path)) == [leftover, "b.bin"]
    with atomic_file(tmp_path / "a.bin") as file:
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.bin"]


def test_only_abandoned_temporary_files_are_swept(tmp_path, leftover):
    (tmp_path / ".notes.tmp").touch()  # not ours
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / leftover).touch()
    with atomic_file(tmp_path / "b.bin") as file:
        file.write(b"going on")
        assert sweep_abandoned(tmp_path) == [tmp_path / leftover]
    assert sorted(os.listdir(tmp_path)) == [".notes.tmp", "b.bin", "sub"]
    assert os.listdir(tmp_path / "sub") == [leftover]


def test_where_there_are_no_locks_files_are_written_and_none_is_swept(
    tmp_path, leftover, monkeypatch
):
    def no_locks(file, operation):
        raise OSError(errno.ENOSYS, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with atomic_file(tmp_path / "a.bin") as file:
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == [leftover, "a.bin"]


def test_content_reaches_the_disk_before_its_name_and_then_the_name(tmp_path, monkeypatch):
    steps, fsync, replace = [], os.fsync, os.replace

    def noted_sync(descriptor):
        steps.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).suffix or "folder")
        fsync(descriptor)

    def noted_replace(*paths):
        steps.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    with atomic_file(tmp_path / "a.bin") as file:
        file.write(b"abc")
    assert steps == [".tmp", "rename", "folder"]


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
