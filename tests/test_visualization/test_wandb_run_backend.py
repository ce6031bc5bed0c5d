import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handvit.visualization import WandbRunBackend

wandb = pytest.importorskip("wandb")
_BLOCK = 32 * 1024


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Return ``log(time, step)``: one start of a training that logs a number offline."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")

    def run(time: str, step: int, **init_kwargs) -> str:
        folder = tmp_path / "work" / time / "vis_data"
        folder.mkdir(parents=True)
        settings = dict(project="handvit", mode="offline", **init_kwargs)
        backend = WandbRunBackend(str(folder), init_kwargs=settings)
        run_id = backend.experiment.run.id
        backend.add_scalars({"loss": 0.25 * step, "step": step}, step=step)
        backend.close()
        return run_id

    return run


def test_a_resumed_training_goes_on_with_its_run(log):
    assert log("20260101_000000", 1) == log("20260102_000000", 2)


def test_an_id_that_was_given_is_kept(log):
    assert log("20260101_000000", 1, id="mine") == "mine"


def test_what_was_logged_can_be_read_back(log, tmp_path):
    log("20260101_000000", 3)
    (file,) = tmp_path.rglob("*.wandb")
    deadline = time.monotonic() + 60  # W&B's own process writes the file
    while "loss" not in (found := _read_history(file)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found["loss"] == 0.75


def _read_history(file: Path) -> dict[str, float]:
    from wandb.proto import wandb_internal_pb2

    found = {}
    for content in _records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        for item in record.history.item:
            found["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return found


def _records(content: bytes) -> Iterator[bytes]:
    """Take the records out of a LevelDB log, which W&B puts behind a header of seven bytes.

    Each has a checksum (4 bytes), a length (2) and a kind (1): 1 is whole, 2, 3 and 4 are the
    first, a middle and the last piece. No piece crosses a block of 32 KiB.
    """
    place, pieces = 7, []
    while place + 7 <= len(content):
        if (rest := _BLOCK - place % _BLOCK) < 7:
            place += rest
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        if place + 7 + length > len(content):
            return  # is being written
        pieces.append(content[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):
            yield b"".join(pieces)
            pieces = []
