"""What all converters' scripts share, tried as a user meets it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
NUM_SEQUENCES, NUM_FRAMES = 8, 30


@pytest.fixture
def source(tmp_path) -> Path:
    """Eight sequences of one picture, large enough to keep a converter busy."""
    texture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    picture = cv2.imencode(".jpg", cv2.resize(texture, (1280, 960)))[1].tobytes()
    keypoints = [[600.0 + 5 * i, 400.0 + 7 * i] for i in range(21)]
    hand = {"side": "left", "keypoints_img": keypoints, "keypoints_cam": [[0.0, 0.0, 0.5]] * 21}
    for sequence in range(NUM_SEQUENCES):
        folder = tmp_path / "raw" / "train" / f"walk{sequence}"
        folder.mkdir(parents=True)
        for frame in range(NUM_FRAMES):
            record = {
                "seconds": frame / 30,
                "focal": [900.0, 900.0],
                "princpt": [639.5, 479.5],
                "hands": [hand],
            }
            (folder / f"{frame:06d}.json").write_text(json.dumps(record))
            (folder / f"{frame:06d}.jpg").write_bytes(picture)
    return tmp_path / "raw"


def _command(source: Path, destination: Path) -> list[str]:
    script = ["tools/dataset_converters/template.py", str(source), str(destination)]
    options = ["--split", "train", "--num-shards", str(NUM_SEQUENCES), "--num-workers", "2"]
    return [sys.executable, *script, *options]


def _start(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _wait_for_a_shard(process: subprocess.Popen, destination: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(destination.glob("*.report.json")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir() if path.name[0] != "."}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_conversion_goes_on_to_the_same_files(source, tmp_path, how):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    subprocess.run(_command(source, whole), cwd=ROOT, check=True, capture_output=True)

    process = _start(_command(source, stopped))
    _wait_for_a_shard(process, stopped)
    os.killpg(process.pid, how)  # as Ctrl-C does: the processes that write shards get it too
    output = process.communicate(timeout=60)[0]
    assert not (stopped / "dataset.json").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert not list(stopped.glob(".*.tmp"))
        assert "Traceback" not in output and "repeat the command with --resume" in output

    resumed = [*_command(source, stopped), "--resume"]
    subprocess.run(resumed, cwd=ROOT, check=True, capture_output=True)
    assert _contents(stopped) == _contents(whole)


def test_a_conversion_of_half_the_images_says_what_is_missing(source, tmp_path):
    shutil.rmtree(source / "train" / "walk3")
    for path in (source / "train" / "walk0").glob("*[02468].jpg"):
        path.unlink()
    command = _command(source, tmp_path / "out")
    command[command.index("--num-shards") + 1] = "2"
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["totals"]["num_frames"] == 7 * NUM_FRAMES
    assert manifest["totals"]["num_samples"] == 7 * NUM_FRAMES - NUM_FRAMES // 2
    assert manifest["totals"]["rejected"] == {"image is missing": NUM_FRAMES // 2}
    assert "walk0/000000.jpg" in manifest["totals"]["examples"]["image is missing"][0]
