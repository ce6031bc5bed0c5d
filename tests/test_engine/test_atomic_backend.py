import io

import pytest
from mmengine.fileio import get_file_backend, put

from handvit.engine.atomic_backend import AtomicLocalBackend


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
