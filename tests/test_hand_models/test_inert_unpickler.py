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


class Call:
    """Pickle as a call of ``function``."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple:
        return self.function, self.arguments


def write(folder: Path, content: bytes) -> Path:
    path = folder / "MANO_RIGHT.pkl"
    path.write_bytes(content)
    return path


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
    path = write(tmp_path, pickle.dumps(content, protocol))
    with pytest.raises(
        ValueError, match=rf"(?i)MANO_RIGHT\.pkl: refused.*{name}.*nothing was exec"
    ):
        load_inert(path)
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
    path = write(tmp_path, program.replace(b"{marker}", str(marker).encode()))
    with pytest.raises(ValueError, match="nothing was executed"):
        load_inert(path)
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
    record = load_inert(write(tmp_path, program.replace(b"{marker}", str(marker).encode())))
    assert isinstance(record, InertRecord)
    assert type(record).__mro__[1:] == (InertRecord, object)
    assert not marker.exists()


def test_records_keep_what_was_asked_for(tmp_path):
    array = np.arange(3.0)
    content = load_inert(write(tmp_path, pickle.dumps({"a": array, "n": 3}, protocol=2)))
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
def test_damaged_files_are_named(tmp_path, content):
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl: not a readable pickle"):
        load_inert(write(tmp_path, content))
