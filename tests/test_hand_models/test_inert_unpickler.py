import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handvit.hand_models.inert_unpickler import InertRecord, load_inert

PACKAGES = ("chumpy.", "scipy.sparse.")


class Call:
    """Pickle as a call of ``function``."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple:
        return self.function, self.arguments


def load(content: bytes) -> Any:
    return load_inert(content, where="MANO_RIGHT.pkl", packages=PACKAGES)


def hostile_calls(marker: Path) -> dict[str, Call]:
    code = f"open({str(marker)!r}, 'w').close()"
    return {
        "system": Call(os.system, f"touch {marker}"),
        "popen": Call(subprocess.Popen, [sys.executable, "-c", code]),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "open": Call(open, str(marker), "w"),
        "mkdir": Call(os.mkdir, str(marker)),
        "load": Call(np.load, str(marker)),
        "loads": Call(pickle.loads, pickle.dumps(Call(os.mkdir, str(marker)))),
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", list(hostile_calls(Path("marker"))))
def test_hostile_calls_are_refused(tmp_path, name, protocol):
    marker = tmp_path / "executed"
    content = {"v_template": np.zeros(3), "extra": hostile_calls(marker)[name]}
    with pytest.raises(
        ValueError, match=rf"(?i)MANO_RIGHT\.pkl: refused.*{name}.*nothing was exec"
    ):
        load(pickle.dumps(content, protocol))
    assert not marker.exists()


def test_the_hostile_calls_would_work(tmp_path):
    """Guard the tests above: the standard unpickler does run such a file."""
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(hostile_calls(marker)["eval"]))
    assert marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"(S'touch {marker}'\nios\nsystem\n.",  # INST
        b"(cposix\nsystem\nS'touch {marker}'\no.",  # OBJ
        b"c__builtin__\neval\n(S\"open('{marker}', 'w')\"\ntR.",
        b"cchumpy\nos.system\n(S'touch {marker}'\ntR.",  # not *in* chumpy
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x05touch\x85R.",  # STACK_GLOBAL
    ],
)
def test_hostile_programs_are_refused(tmp_path, program):
    marker = tmp_path / "executed"
    with pytest.raises(ValueError, match="nothing was executed"):
        load(program.replace(b"{marker}", str(marker).encode()))
    assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04\x8c\x09chumpy.ch\x8c\x21Ch.__init__.__globals__.os.system\x93\x8c\x01x\x85R.",
        b"cscipy.sparse.csc\nos.system\n(S'touch {marker}'\ntR.",
        b"c_codecs\nencode\n(S'text'\nS'zip'\ntR.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb.",
    ],
)
def test_names_on_the_list_are_recorded_and_not_called(tmp_path, program):
    marker = tmp_path / "executed"
    record = load(program.replace(b"{marker}", str(marker).encode()))
    assert isinstance(record, InertRecord)
    assert type(record).__mro__[1:] == (InertRecord, object)
    assert not marker.exists()


def test_records_keep_what_was_asked_for():
    array = np.arange(3.0)
    content = load(pickle.dumps({"a": array, "n": 3}, protocol=2))
    assert content["n"] == 3
    assert content["a"].origin.endswith("multiarray._reconstruct")
    version, shape, dtype, is_fortran, _ = content["a"].state
    assert (version, shape, bool(is_fortran)) == (1, (3,), False)
    assert dtype.origin == "numpy.dtype" and dtype.arguments[0] == "f8"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps({"v_template": np.zeros(100)})[:60],
        b"\x80\x63.",  # a protocol of the future
        b"\x80\x02cchumpy.ch\nCh\n}b.",  # state for a class
        b"ccopy_reg\n_reconstructor\n(I1\nI2\nNtR.",
        b"\x80\x02\x82\x01.",  # extension registry
        b"Pname\n.",  # persistent id
        b"cchumpy.ch\nCh\n(tR(I1\ne.",  # appends to a record
    ],
)
def test_damaged_files_are_named(content):
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl: not a readable pickle \(\w+: "):
        load(content)


def test_packages_are_refused_unless_they_are_named():
    program = b"cchumpy.ch\nCh\n(tR."
    assert load(program).origin == "chumpy.ch.Ch"
    with pytest.raises(ValueError, match=r"file\.pkl: refused, because it names chumpy\.ch\.Ch"):
        load_inert(program, where="file.pkl")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x80\x02Nr\x00\x00\x00\x40.", "LONG_BINPUT 1073741824 in 9 bytes"),
        (b"Np1000000000\n.", "PUT 1000000000 in 14 bytes"),
    ],
)
def test_claimed_sizes_of_the_memo_are_refused(content, problem):
    """The standard unpickler would take gigabytes for these few bytes."""
    with pytest.raises(ValueError, match=rf"not a readable pickle .*{problem}"):
        load(content)


def test_messages_do_not_repeat_the_content():
    text = b"\x80\x02X\x10\x27\x00\x00" + 10_000 * b"\xff" + b"."  # not UTF-8
    with pytest.raises(ValueError, match="not a readable pickle") as raised:
        load(text)
    assert len(str(raised.value)) < 300
