import errno
import io
import shutil

import pytest
from mmengine.fileio import get_file_backend, put

from handvit.engine.atomic_backend import AtomicLocalBackend
from handvit.engine.training_stop import DiskShortage


def test_it_is_the_backend_of_local_paths(tmp_path):
    assert isinstance(get_file_backend(str(tmp_path / "x.pth")), AtomicLocalBackend)


def test_put_writes_bytes_and_text(tmp_path):
    put(b"new", str(tmp_path / "sub" / "a.bin"))
    AtomicLocalBackend().put(io.BytesIO(b"bytes"), tmp_path / "b.bin")
    AtomicLocalBackend().put_text("text", tmp_path / "c.txt")
    assert (tmp_path / "sub" / "a.bin").read_bytes() == b"new"
    assert (tmp_path / "b.bin").read_bytes() == b"bytes"
    assert (tmp_path / "c.txt").read_text() == "text"


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "iter_1.pth"
    path.write_bytes(b"old")

    def full_disk(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="disk full"):
        put(b"new", str(path))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_does_not_fit_is_refused_before_the_old_one_is_touched(tmp_path, monkeypatch):
    path = tmp_path / "iter_1.pth"
    path.write_bytes(b"old")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DiskShortage, match=r"iter_1\.pth needs"):
        put(b"new", str(path))
    assert path.read_bytes() == b"old"


def test_a_disk_that_fills_up_meanwhile_is_a_shortage_too(tmp_path, monkeypatch):
    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(DiskShortage, match=f"{tmp_path}: No space left"):
        put(b"new", str(tmp_path / "a.bin"))
    assert not list(tmp_path.iterdir())
