import io
import json
from pathlib import Path

import numpy as np
import pytest

from handvit.datasets.converters import json_arrays
from handvit.datasets.converters.json_arrays import json_entries, load_json_arrays


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "verts.json").write_text(text)
        return tmp_path / "verts.json"

    return write


@pytest.mark.parametrize("chunk", [1, 7, 64, 2**20])
@pytest.mark.parametrize("indent", [None, 1])
def test_arrays_survive_any_chunk_size(write, monkeypatch, chunk, indent):
    monkeypatch.setattr(json_arrays, "_CHUNK", chunk)
    arrays = np.random.default_rng(0).normal(size=(5, 3, 2))
    path = write(json.dumps(arrays.tolist(), indent=indent) + "\n")
    np.testing.assert_array_equal(load_json_arrays(path, (3, 2)), arrays)


def test_no_entries(write):
    assert load_json_arrays(write("[]"), (3, 2)).shape == (0, 3, 2)


def test_entries_come_one_by_one(write, monkeypatch):
    monkeypatch.setattr(json_arrays, "_CHUNK", 8)
    entries = json_entries(write("[[1], [2], broken"))
    assert [next(entries), next(entries)] == [[1], [2]]
    with pytest.raises(ValueError, match=r"verts\.json: not a complete JSON list"):
        next(entries)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[",
        "[[1, 2]",
        "[[1, 2], [3, ",
        "[[1, 2], 3]",
        "[[1] [x]]",
        "{[1]]",
        "[[1]]]",
        "\xe9",
    ],
)
def test_damaged_files_are_named(write, text):
    with pytest.raises(ValueError, match=r"verts\.json: not a complete JSON list of lists"):
        list(json_entries(write(text)))


class EndlessFile(io.StringIO):
    """Begin a list of numbers and never end it."""

    num_reads = 0

    def read(self, size: int = -1) -> str:
        """Return what a file of any length could hold."""
        self.num_reads += 1
        assert self.num_reads < 100, "read without bound"
        return "[" if self.num_reads <= 2 else "1," * (size // 2)


def test_endless_entries_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(json_arrays, "_CHUNK", 10)
    monkeypatch.setattr(json_arrays, "_LONGEST", 100)
    monkeypatch.setattr(Path, "open", lambda path, encoding: EndlessFile())
    with pytest.raises(ValueError, match=r"verts\.json: not a complete"):
        list(json_entries(tmp_path / "verts.json"))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json: cannot be read \(No such file"):
        load_json_arrays(tmp_path / "none.json", (3,))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("[1, 2]", r"has shape \(2,\), want \(3,\)"),
        ("[1, 2, NaN]", "finite numbers"),
        ("[1, 2, null]", "finite numbers"),
        ('[1, 2, "x"]', "no array of numbers"),
        ("[1, [2], 3]", "no array of numbers"),
    ],
)
def test_wrong_entries_are_named(write, entry, problem):
    with pytest.raises(ValueError, match=rf"verts\.json: entry 1 .*{problem}"):
        load_json_arrays(write(f"[[1, 2, 3], {entry}]"), (3,))
