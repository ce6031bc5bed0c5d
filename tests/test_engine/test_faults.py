"""Break trainings in every way that is documented; each must end as documented, losing nothing."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from handvit.datasets.shards.shard_index import ShardError
from handvit.engine import atomic_backend, disk_space
from handvit.engine.checkpoints import find_latest_checkpoint, read_checkpoint
from handvit.engine.training_stop import DiskShortage, NonFiniteError, Preempted
from handvit.registry import RUNNERS

RECIPE = "stage1_tiny.py"
NUM_KILLS = 20
NUM_ITERATIONS = 60
HOOKS = [
    dict(type="DropoutWarmupHook", part="head", num_iters=10),
    dict(type="HandEMAHook", momentum=0.05),
]


@pytest.fixture
def start(tiny_config, tmp_path) -> Callable[..., int]:
    """Return ``start(name, before=...)``: it trains in a child process and returns its number."""

    def run(name: str, before: Callable[[], None] = lambda: None) -> int:
        child = os.fork()
        if child:
            return child
        os._exit(_train(_config(tiny_config, tmp_path / name), before))

    return run


def test_twenty_kills_change_nothing(start, tmp_path):
    started = time.monotonic()
    assert _end_of(start("whole")) == 0
    seconds = time.monotonic() - started
    rng = random.Random(0)
    for number in range(NUM_KILLS):
        if number % 4 == 0:
            child = start("killed", before=_die_in_the_second_save)
            # It may be over before its second checkpoint.
            assert _end_of(child) in (0, -signal.SIGKILL)
            continue
        child = start("killed")
        time.sleep(rng.uniform(0, 0.4 * seconds))
        os.kill(child, rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        # SIGTERM ends it at once where it does not train yet.
        assert _end_of(child) in (0, -signal.SIGKILL, -signal.SIGTERM, Preempted.code)
    assert _end_of(start("killed")) == 0
    whole, killed = (
        read_checkpoint(tmp_path / name / f"iter_{NUM_ITERATIONS}.pth")
        for name in ("whole", "killed")
    )
    assert killed["param_schedulers"] == whole["param_schedulers"]
    for part in ("state_dict", "ema_state_dict", "optimizer"):
        torch.testing.assert_close(killed[part], whole[part], rtol=0, atol=0)
    losses = [x["message_hub"]["log_scalars"]["train/loss"] for x in (whole, killed)]
    torch.testing.assert_close(*losses, rtol=0, atol=0)


@pytest.fixture
def own_shards(shards_root, tmp_path) -> Path:
    """Folder of a data set that a test may spoil."""
    return Path(shutil.copytree(shards_root, tmp_path / "shards"))


def test_an_unreadable_shard_is_named(build, own_shards, tmp_path):
    shard = sorted(own_shards.glob("*.tar"))[1]
    content = bytearray(shard.read_bytes())
    for place in range(0, len(content), 97):
        content[place] ^= 0xFF
    shard.write_bytes(content)
    options = {"train_dataloader.dataset.data_root": str(own_shards)}
    with pytest.raises(ShardError, match=shard.name):
        build(RECIPE, "stops", {**options, "train_dataloader.num_workers": 1}).train()
    build(RECIPE, "goes_on", {**options, "train_dataloader.dataset.max_bad_samples": 20}).train()
    assert (tmp_path / "goes_on" / "iter_4.pth").exists()


def test_a_deleted_shard_is_named(build, own_shards):
    runner = build(RECIPE, "run", {"train_dataloader.dataset.data_root": str(own_shards)})
    for shard in own_shards.glob("*.tar"):
        shard.unlink()
    with pytest.raises(ShardError, match=r"shard-\d+\.tar"):
        runner.train()


def test_a_killed_worker_ends_the_training(build, tmp_path):
    runner = build(RECIPE, "run", {"train_dataloader.num_workers": 1, "train_cfg.max_iters": 1000})
    runner.register_hook(_KillWorkers())
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid.* killed"):
        runner.train()
    # Or torch tells of the dead worker again whenever another child of this process ends.
    runner.train_loop.dataloader_iterator._iterator._shutdown_workers()
    assert find_latest_checkpoint(tmp_path / "run").name == "iter_2.pth"


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A disk of its own with 1.5 MB; the checkpoints here take about a third of one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_before_a_checkpoint_is_torn(
    tiny_config, small_disk, tmp_path, monkeypatch
):
    monkeypatch.setattr(disk_space, "MARGIN", 0)
    cfg = tiny_config(RECIPE, small_disk / "run", {"train_cfg.max_iters": 100})
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1, save_best=None)
    with pytest.raises(DiskShortage, match=r"iter_\d+\.pth needs .* are free; what was there"):
        RUNNERS.build(cfg).train()
    latest = find_latest_checkpoint(small_disk / "run")
    assert read_checkpoint(latest)["meta"]["iter"] >= 1
    assert not list((small_disk / "run").glob(".*.tmp"))
    # With more room it goes on, from the iteration that was kept.
    shutil.copytree(small_disk / "run", tmp_path / "moved")
    options = {"resume": True, "load_from": str(tmp_path / "moved" / latest.name)}
    resumed = RUNNERS.build(tiny_config(RECIPE, tmp_path / "moved", options))
    resumed.train()


def test_a_tracker_that_is_down_changes_nothing(build, tmp_path):
    broken = dict(type="WandbVisBackend", init_kwargs=dict(mode="no such mode"))
    backends = [
        dict(type="LocalVisBackend"),
        dict(type="GuardedVisBackend", backend=broken),
    ]
    states = []
    for name, options in (
        ("without", {}),
        ("with", {"visualizer": dict(type="Visualizer", vis_backends=backends)}),
    ):
        build(RECIPE, name, options).train()
        states.append(read_checkpoint(tmp_path / name / "iter_4.pth")["state_dict"])
    torch.testing.assert_close(states[1], states[0], rtol=0, atol=0)
    assert "off for the rest of the run" in next((tmp_path / "with").glob("*/*.log")).read_text()


@pytest.mark.parametrize("kind", ["NanLoss", "NanGradient"])
def test_a_value_that_is_not_finite_stops_before_the_step(build, tmp_path, poison, kind):
    with pytest.raises(NonFiniteError) as stop:
        build(RECIPE, "run", poison(kind)).train()
    assert stop.value.code == 70
    weights = read_checkpoint(find_latest_checkpoint(tmp_path / "run"))["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())
    assert list((tmp_path / "run" / "failures").glob("iter_3_rank0.pt"))


def test_weights_that_are_not_finite_stop_too_and_are_never_saved(build, tmp_path):
    runner = build(RECIPE, "run", {"train_cfg.max_iters": 6})
    runner.register_hook(_SpoilWeights())
    with pytest.raises(NonFiniteError):
        runner.train()
    weights = read_checkpoint(find_latest_checkpoint(tmp_path / "run"))["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_a_killed_process_ends_the_others(tiny_config, tmp_path):
    cfg = tiny_config(RECIPE, tmp_path / "run", {"launcher": "pytorch"})
    cfg.train_cfg.max_iters = 1000
    cfg.dump(str(tmp_path / "config.py"))
    script = tmp_path / "run.py"
    script.write_text(_KILL_ONE_OF_TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", str(script)]
    command.append(str(tmp_path / "config.py"))
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode != 0
    killed = float((tmp_path / "run" / "killed").read_text())
    assert time.time() - killed < 60
    assert "Signal 9 (SIGKILL)" in result.stderr
    assert find_latest_checkpoint(tmp_path / "run").name == "iter_2.pth"


_KILL_ONE_OF_TWO = """
import os
import signal
import sys
import time
from pathlib import Path
from mmengine.config import Config
from mmengine.hooks import Hook
from handvit.registry import RUNNERS

class KillOne(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 2 and runner.rank == 1:
            (Path(runner.work_dir) / "killed").write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)

runner = RUNNERS.build(Config.fromfile(sys.argv[1]))
runner.register_hook(KillOne())
runner.train()
"""


class _SpoilWeights(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 3:
            next(runner.model.head.parameters()).data.view(-1)[0] = float("nan")


class _KillWorkers(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 2:
            for process in multiprocessing.active_children():
                process.kill()


def _config(tiny_config: Callable[..., Config], work_dir: Path) -> Config:
    cfg = tiny_config(RECIPE, work_dir)
    cfg.train_cfg.update(max_iters=NUM_ITERATIONS, val_interval=20)
    cfg.default_hooks.checkpoint.interval = 7
    cfg.custom_hooks = HOOKS
    latest = find_latest_checkpoint(work_dir)
    if latest is not None:
        cfg.update(resume=True, load_from=str(latest))
    return cfg


def _train(cfg: Config, before: Callable[[], None]) -> int:
    """Train as ``tools/train.py`` does, and return the exit code."""
    try:
        before()
        RUNNERS.build(cfg).train()
    except BaseException as error:
        traceback.print_exc()
        return getattr(error, "code", 1)
    return 0


def _end_of(child: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _die_in_the_second_save() -> None:
    """Kill this process when half of its second checkpoint is written."""
    put = atomic_backend.AtomicLocalBackend.put
    saves = []

    def half_a_put(self: object, content: bytes, path: str | Path) -> None:
        saves.append(str(path)) if str(path).endswith(".pth") else None
        if len(saves) < 2:
            return put(self, content, path)
        with atomic_backend.atomic_file(Path(path)) as file:
            file.write(content[: len(content) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    atomic_backend.AtomicLocalBackend.put = half_a_put
