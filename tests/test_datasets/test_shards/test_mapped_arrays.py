import mmap
import tracemalloc
import zipfile

import numpy as np
import pytest

from handvit.datasets.shards.mapped_arrays import map_arrays, write_arrays

ARRAYS = {
    "number": np.arange(7, dtype="<i4"),
    "a_longer_name": np.linspace(0, 1, 5),
    "flag": np.array([[True, False]]),
    "text": np.array([b"ab", b"c"]),
}


def _write(path, arrays):
    with path.open("wb") as file:
        write_arrays(file, arrays)


def test_round_trip(tmp_path):
    path = tmp_path / "a.npz"
    _write(path, ARRAYS)
    mapped = map_arrays(path)
    assert list(mapped) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(mapped[name], array)
        assert mapped[name].dtype == array.dtype
        assert isinstance(mapped[name].base, mmap.mmap)
        assert mapped[name].ctypes.data % 64 == 0, "aligned"
        with pytest.raises(ValueError, match="read-only"):
            mapped[name][:] = array


def test_numpy_reads_it_and_zip_finds_it_whole(tmp_path):
    path = tmp_path / "a.npz"
    _write(path, ARRAYS)
    with np.load(path, allow_pickle=False) as loaded:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(loaded[name], array)
    assert zipfile.ZipFile(path).testzip() is None


def test_what_numpy_writes_is_mapped_too(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    for name, array in map_arrays(tmp_path / "a.npz").items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_same_arrays_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        _write(tmp_path / name, ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_opening_reads_no_array(tmp_path):
    _write(tmp_path / "a.npz", {"large": np.zeros(10**6)})
    tracemalloc.start()
    mapped = map_arrays(tmp_path / "a.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(mapped["large"]) == 10**6 and peak < 10**5


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_cut_file(tmp_path, cut):
    _write(tmp_path / "a.npz", ARRAYS)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:cut])
    with pytest.raises(zipfile.BadZipFile):
        map_arrays(tmp_path / "a.npz")


def test_files_that_cannot_be_mapped(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **ARRAYS)
    with pytest.raises(ValueError, match="compressed"):
        map_arrays(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", a=np.array([{}]))
    with pytest.raises(ValueError, match="Python objects"):
        map_arrays(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        map_arrays(tmp_path / "b.npz")
