import io
import os
import pickle
import struct
from typing import Any

import numpy as np
import pytest

from handvit.datasets.converters.plain_pickle import load_plain_npy, load_plain_pickle


class Call:
    """Pickle as a call of ``function``."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple:
        return self.call[0], self.call[1:]


LABELS = {
    "handPose": np.arange(48.0),
    "camMat": np.asfortranarray(np.arange(9, dtype=np.float32).reshape(3, 3)),
    "big_endian": np.array([1, -2], ">i4"),
    "contact": np.array([True, False]),
    "scale": np.float32(0.5),
    "count": np.int64(3),
    "objName": "caf\xe9",
    "nothing": None,
    "nested": [1, (2.5, True, {"a": [2**70]})],
    7: "integer key",
}


def check_labels(content: dict) -> None:
    assert content.keys() == LABELS.keys()
    for key, expected in LABELS.items():
        if isinstance(expected, np.ndarray):
            assert content[key].dtype == expected.dtype.newbyteorder("=")
            assert content[key].flags.writeable and content[key].dtype.isnative
            np.testing.assert_array_equal(content[key], expected)
        else:
            assert content[key] == expected
    assert type(content["scale"]) is float and type(content["count"]) is int
    assert type(content["nested"][1]) is tuple


def test_python2_pickle(tmp_path, write_python2_pickle):
    path = tmp_path / "0000.pkl"
    write_python2_pickle(path, LABELS)
    assert b"cnumpy.core.multiarray\n_reconstruct" in path.read_bytes()
    assert b"_codecs" not in path.read_bytes()
    check_labels(load_plain_pickle(path))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_python3_pickles_of_all_protocols(protocol):
    content = pickle.dumps({**LABELS, "raw": [b"", b"\x00\xff"]}, protocol)
    labels = load_plain_pickle(content)
    assert labels.pop("raw") == [b"", b"\x00\xff"]
    check_labels(labels)


def test_dictionary_in_a_npy_file(tmp_path):
    np.save(tmp_path / "a.npy", LABELS, allow_pickle=True)
    check_labels(load_plain_npy(tmp_path / "a.npy"))


def test_what_is_shared_stays_shared():
    shared = [np.zeros(2)]
    first, second = load_plain_pickle(pickle.dumps([shared, shared], 2))
    assert first is second


def hostile(marker: str) -> list[Any]:
    return [
        Call(os.system, f"touch {marker}"),
        Call(eval, f"open({marker!r}, 'w').close()"),
        Call(np.load, marker),
        Call(getattr, "", "format"),
    ]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("place", [lambda x: x, lambda x: {"handPose": [x]}, lambda x: {x: 1}])
def test_hostile_pickles_execute_nothing(tmp_path, number, place):
    marker = tmp_path / "executed"
    path = tmp_path / "0000.pkl"
    content = place(hostile(str(marker))[number])
    named = r"(posix\.system|builtin.*\.eval|numpy.*load|builtin.*\.getattr)"
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(
            ValueError, match=rf"0000\.pkl: refused.*{named}.*nothing was exec"
        ) as e:
            load_plain_pickle(path)
        assert str(path) in str(e.value)
    np.save(tmp_path / "a.npy", np.array(content, object), allow_pickle=True)
    with pytest.raises(ValueError, match=rf"a\.npy: (refused.*{named}|holds a)"):
        load_plain_npy(tmp_path / "a.npy")
    assert not marker.exists()


def test_the_hostile_calls_would_work(tmp_path):
    """Guard the test above: the standard unpickler does run such a file."""
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(hostile(str(marker))[1]))
    assert marker.exists()


def test_truncated_pickles_are_named():
    content = pickle.dumps(LABELS, 2)
    for length in range(0, len(content), 7):
        with pytest.raises(ValueError, match=r"^m\.pkl: not a readable pickle"):
            load_plain_pickle(content[:length], where="m.pkl")


def test_missing_files_are_named(tmp_path):
    for load in (load_plain_pickle, load_plain_npy):
        with pytest.raises(ValueError, match=r"none\.pkl: cannot be read \(No such file"):
            load(tmp_path / "none.pkl")


def recursive_list() -> list:
    items: list = []
    items.append(items)
    return items


def nested_list(depth: int) -> bytes:
    return b"]" * depth + b"a" * (depth - 1) + b"."


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({1, 2}, r"a set|\.set, want an array"),
        (1j, "refused.*complex"),
        (bytearray(b"x"), "a bytearray|refused"),
        (np.array([None]), "element type 'O8'"),
        (np.array([[1], [2, 3]], object), "element type 'O8'"),
        (np.array([(1, 2)], "i4,i4"), "element type 'V8'"),
        (np.array([1j]), "element type 'c16'"),
        (np.datetime64("2020-01-01"), "element type 'M8'"),
        (np.dtype("f8"), "found numpy.dtype, want an array"),
        (np.zeros(2).view(np.recarray), "refused.*recarray"),
        (recursive_list(), "a list that holds itself"),
        (object(), "refused.*object|want an array"),
    ],
)
def test_objects_and_other_element_types_are_refused(value, problem):
    for protocol in (2, 4, 5):
        with pytest.raises(ValueError, match=rf"(?s)^x\.pkl: .*({problem})"):
            load_plain_pickle(pickle.dumps(value, protocol), where="x.pkl")


def test_forged_sizes_are_refused():
    content = pickle.dumps(np.zeros(3), 2)
    forged = content.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")  # 3 -> 2^31 - 1 elements
    assert forged != content
    with pytest.raises(ValueError, match=r"x\.pkl: not plain data"):
        load_plain_pickle(forged, where="x.pkl")


def test_forged_copies_are_refused():
    """Many arrays that name one content: small in the file, large in memory."""
    text = b"T" + struct.pack("<i", 8000) + bytes(8000) + b"q\x00"  # kept as number 0
    sizes = b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00"
    dtype = b"cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<" + sizes + b"tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    array = empty + b"(K\x01(M\xe8\x03t" + dtype + b"I00\nh\x00tb"
    honest = b"\x80\x02(" + text + array + b"t."
    np.testing.assert_array_equal(load_plain_pickle(honest)[1], np.zeros(1000))
    forged = b"\x80\x02(" + text + array * 50 + b"t."
    with pytest.raises(ValueError, match=r"x\.pkl: not plain data .*more data than the file"):
        load_plain_pickle(forged, where="x.pkl")


def test_shared_containers_do_not_explode():
    value: list = ["ha"]
    for _ in range(60):
        value = [value, value]  # 2^60 leaves if they were copied
    assert load_plain_pickle(pickle.dumps(value)) is not None


def test_deep_nesting_is_an_error_and_no_crash():
    assert load_plain_pickle(nested_list(50)) is not None
    with pytest.raises(ValueError, match=r"deep\.pkl: not plain data"):
        load_plain_pickle(nested_list(10**5), where="deep.pkl")


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros(3), r"holds a \(3,\) array of float64"),
        (np.array(3.0), r"holds a \(\) array of float64"),
        (np.array([{}, {}]), r"holds a \(2,\) array of object"),
    ],
)
def test_npy_files_of_other_kinds_are_refused(tmp_path, array, problem):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"a\.npy: {problem}"):
        load_plain_npy(tmp_path / "a.npy")


def test_damaged_npy_files_are_named():
    stream = io.BytesIO()
    np.save(stream, LABELS, allow_pickle=True)
    content = stream.getvalue()
    damaged = [content[:length] for length in range(0, len(content), 11)]
    damaged += [b"", b"\x93NUMPY\x07\x00" + content[8:], content.replace(b"{'descr", b"{[(scr")]
    for some in damaged:
        with pytest.raises(ValueError, match=r"^a\.npy: not a readable"):
            load_plain_npy(some, where="a.npy")
