import pickle
from typing import Any

import numpy as np
import pytest

from handvit.hand_models.inert_arrays import (
    MISSHAPEN,
    record_array,
    record_bytes,
    record_kind,
    record_scalar,
    to_shape,
)
from handvit.hand_models.inert_unpickler import InertRecord, load_inert


def inert(value: Any, protocol: int = 2) -> Any:
    return load_inert(pickle.dumps(value, protocol), where="file.pkl")


def array_record(shape: Any, dtype: InertRecord, content: Any) -> InertRecord:
    """Build a forged array: the state is what a pickle could contain."""
    record = inert(np.zeros(1))
    record.state = (1, shape, dtype, False, content)
    return record


def dtype_record(code: Any) -> InertRecord:
    record = inert(np.zeros(1)).state[2]
    record.arguments = (code, False, True)
    return record


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.uint16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1.5, -2], ">f4"),
        np.array([[True], [False]]),
        np.array(["ab", "c"]),
        np.array([b"ab", b"c"]),
        np.array(3.5),
        np.zeros((0, 3), np.float16),
    ],
)
def test_arrays_are_those_of_numpy(array, protocol):
    rebuilt = record_array(inert(array, protocol))
    assert rebuilt.dtype == array.dtype
    np.testing.assert_array_equal(rebuilt, array)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value", [np.float32(2.5), np.int64(-7), np.bool_(True), np.str_("hand"), np.bytes_(b"hand")]
)
def test_scalars_become_plain_values(value, protocol):
    record = inert(value, protocol)
    assert record_kind(record) == "scalar"
    assert record_scalar(record) == value.item()
    assert type(record_scalar(record)) is type(value.item())


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("value", [b"", b"\x00\xff"])
def test_bytes_of_old_protocols(value, protocol):
    assert record_bytes(inert(value, protocol)) == value


@pytest.mark.parametrize("content", [5, None, [b"x"], inert(b"\xff")])
def test_only_text_can_be_encoded(content):
    record = inert(b"\xff")
    record.arguments = (content, "latin1")
    with pytest.raises(TypeError, match="want bytes"):
        record_bytes(record)


def test_other_encodings_are_refused():
    record = inert(b"\xff")
    record.arguments = ("text", "rot13")
    with pytest.raises(ValueError, match="encoding 'rot13'"):
        record_bytes(record)


def test_sizes_may_be_stored_as_numbers_of_numpy():
    assert to_shape(inert((np.int64(2), 3))) == (2, 3)
    assert to_shape(inert(np.array([2, 3]))) == (2, 3)


@pytest.mark.parametrize("code", ["O8", "O", "V8", "M8", "c16", "f8,f8", "f8, O", "S0", 8, None])
def test_other_element_types_are_refused(code):
    with pytest.raises(MISSHAPEN):
        record_array(array_record((1,), dtype_record(code), b"\0" * 8))


@pytest.mark.parametrize(
    "shape", [(2,), (2**40,), (2**62, 2**62), (-1,), (-(2**63),), ("8",), ([1],), None, 1]
)
def test_claimed_sizes_must_fit_the_content(shape):
    with pytest.raises(MISSHAPEN):
        record_array(array_record(shape, dtype_record("f8"), b"\0" * 8))


@pytest.mark.parametrize("content", [b"\0" * 7, [0.0], None, 8, "\u20ac"])
def test_content_must_be_bytes_of_the_right_number(content):
    with pytest.raises(MISSHAPEN):
        record_array(array_record((1,), dtype_record("f8"), content))


def test_other_records_are_no_arrays():
    with pytest.raises(ValueError, match=r"found numpy\.dtype, want an array"):
        record_array(dtype_record("f8"))
