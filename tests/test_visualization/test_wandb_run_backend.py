import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from handvit.visualization import GuardedVisBackend, WandbRunBackend

wandb = pytest.importorskip("wandb")
_BLOCK = 32 * 1024


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return ``start(time)``: the offline tracker of one start of a training."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_MODE", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)

    def make(time: str, **init_kwargs) -> WandbRunBackend:
        folder = tmp_path / "work" / time / "vis_data"
        folder.mkdir(parents=True)
        settings = dict(project="handvit", mode="offline", **init_kwargs)
        return WandbRunBackend(str(folder), init_kwargs=settings)

    return make


def test_a_resumed_training_goes_on_with_its_run(start):
    ids = []
    for time_of_start, given in (("1", {}), ("2", {}), ("3", {"id": "mine"})):
        backend = start(time_of_start, **given)
        ids.append(backend.experiment.run.id)
        backend.close()
    assert ids[0] == ids[1] != ids[2] == "mine"


def test_a_process_that_does_not_track_draws_no_id(start, tmp_path):
    start("1")
    assert not list((tmp_path / "work").glob("*.txt"))


def test_what_was_logged_can_be_read_back_over_iterations(start, tmp_path):
    backend = start("1")
    backend.add_config(Config({"seed": 3}))
    backend.add_scalars({"loss": 0.75, "dexycb/mpjpe_cam": 40.0}, step=30)
    backend.add_scalar("lr", 0.5, step=40)
    backend.add_image("hands", np.zeros((8, 8, 3), np.uint8), step=50)
    backend.close()
    records = _read_until_exit(next(tmp_path.rglob("*.wandb")))
    rows = [_row(record) for record in records if record.WhichOneof("record_type") == "history"]
    assert [row["step"] for row in rows] == [30, 40, 50]
    assert (rows[0]["loss"], rows[0]["dexycb/mpjpe_cam"], rows[1]["lr"]) == (0.75, 40.0, 0.5)
    assert rows[2]["hands/_type"] == "image-file"
    assert any(record.metric.step_metric == "step" for record in records)
    assert list(tmp_path.rglob("media/images/*.png"))


def test_a_server_that_is_down_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", 40 * "0")
    monkeypatch.setenv("WANDB_SILENT", "true")
    # Connections are accepted, and never answered.
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        settings = dict(base_url=address, init_timeout=1)
        run = dict(type="WandbRunBackend", init_kwargs=dict(mode="online", settings=settings))
        backend = GuardedVisBackend(backend=run, save_dir=str(tmp_path / "time" / "vis_data"))
        began = time.monotonic()
        backend.add_scalars({"loss": 1.0}, step=1)
        backend.close()
    assert backend.experiment is None
    assert time.monotonic() - began < 30


def _row(record: Any) -> dict[str, Any]:
    """Return the values that one call logged."""
    items = record.history.item
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def _read_until_exit(file: Path) -> list[Any]:
    """Read a run's file once W&B's own process has written all of it."""
    from wandb.proto import wandb_internal_pb2

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = []
        for content in _records(file.read_bytes()):
            records.append(wandb_internal_pb2.Record())
            records[-1].ParseFromString(content)
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        time.sleep(0.1)
    raise TimeoutError(f"{file}: W&B does not come to an end")


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
