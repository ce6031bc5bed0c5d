"""Train on several processes, and compare with one: data parallel, sharded, resumed across both."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from handvit.engine.checkpoints import read_checkpoint
from handvit.registry import RUNNERS

GLOBAL_BATCH = 4
NUM_VAL_HANDS = 21  # not divisible by any number of processes, times any batch size
CLOSE = dict(rtol=1e-5, atol=1e-5)
VIT = dict(
    type="HFViT",
    gradient_checkpointing=True,
    config=dict(
        model_type="dinov2",
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=32,
        patch_size=8,
    ),
)
LOCAL = ["--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
SHARDED = {"runner_type": "FullyShardedRunner"}
FROZEN = {"model.frozen": ("backbone", "neck"), "optim_wrapper.accumulative_counts": 2}
BF16 = {"model_wrapper_cfg": dict(bf16=True)}
_TRAIN = """
import sys
import torch
from mmengine.config import Config
from handvit.registry import RUNNERS
for path in sys.argv[1:]:
    runner = RUNNERS.build(Config.fromfile(path))
    runner.train()
    buffers = dict(runner.model.module.named_buffers())
    torch.save(buffers, f"{runner.work_dir}/buffers_{runner.rank}.pth")
"""


@pytest.fixture(scope="module")
def partly_labelled(make_shards) -> dict[str, Any]:
    """Return the config of a mixture in which half of the hands have no MANO labels."""
    roots = [make_shards(name=f"of_{model}", hand_model=model) for model in ("openhand", None)]
    parts = [dict(type="HandClipDataset", data_root=str(root), clip_length=1) for root in roots]
    return dict(type="MixtureDataset", weights=[1, 1], datasets=parts)


@pytest.fixture(scope="module")
def steady(tiny_config, partly_labelled, tmp_path_factory) -> Callable[..., Config]:
    """Return ``make(name, num_ranks, options)``: a training that is the same on any of them.

    It has no batch norm, and draws nothing at random but the order of the data, because processes
    draw different numbers.
    """
    root = tmp_path_factory.mktemp("steady")

    def make(name: str, num_ranks: int, options: dict[str, Any] | None = None) -> Config:
        cfg = tiny_config("stage1_tiny.py", root / name, {"model.head.decoder.dropout": 0.0})
        cfg.launcher = "none" if num_ranks == 1 else "pytorch"
        cfg.model.backbone = VIT
        cfg.model.data_preprocessor.geometric = None
        cfg.train_dataloader.dataset = partly_labelled
        cfg.train_dataloader.batch_size = GLOBAL_BATCH // num_ranks
        cfg.val_dataloader.dataset = dict(cfg.val_dataloader.dataset, indices=NUM_VAL_HANDS)
        cfg.optim_wrapper.optimizer = dict(type="AdamW", lr=1e-3, weight_decay=1e-2)
        cfg.param_scheduler = None
        cfg.custom_hooks = [dict(type="HandEMAHook", momentum=0.1, update_buffers=True)]
        cfg.merge_from_dict(options or {})
        return cfg

    return make


def _resumed(folder: Path) -> dict[str, Any]:
    return {"resume": True, "load_from": str(folder / "iter_2.pth")}


@pytest.fixture(scope="module")
def alone(steady) -> Path:
    """Make the trainings of one process; return the folder of their folders."""
    configs = [steady("alone", 1), steady("alone_frozen", 1, FROZEN)]
    for cfg in configs:
        RUNNERS.build(cfg).train()
    return Path(configs[0].work_dir).parent


@pytest.fixture(scope="module")
def on_two(steady, alone, tiny_config, tmp_path_factory) -> Path:
    """Make the trainings of two processes in one launch; return the folder of their folders."""
    configs = [
        steady("parallel", 2),
        steady("sharded", 2, SHARDED),
        steady("sharded_frozen", 2, SHARDED | FROZEN),
        steady("sharded_bf16", 2, SHARDED | BF16),
        tiny_config("stage1_tiny.py", alone / "norms", {"launcher": "pytorch"}),
    ]
    _launch([LOCAL], configs, tmp_path_factory.mktemp("two"))
    return alone


@pytest.fixture(scope="module")
def on_four(steady, on_two, tmp_path_factory) -> Path:
    """Make those of two processes on each of two machines; return the folder of their folders."""
    configs = [
        steady("parallel_4", 4),
        steady("sharded_after_sharded", 4, SHARDED | _resumed(on_two / "sharded")),
        steady("sharded_after_alone", 4, SHARDED | _resumed(on_two / "alone")),
    ]
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        port = probe.getsockname()[1]
    first = ["--nproc-per-node=2", "--nnodes=2", "--master-addr=127.0.0.2"]
    machines = [[*first, f"--master-port={port}", f"--node-rank={rank}"] for rank in (0, 1)]
    _launch(machines, configs, tmp_path_factory.mktemp("four"))
    return on_two


def _launch(machines: list[list[str]], configs: list[Config], folder: Path) -> None:
    """Train with each config in turn, on machines that are told as options of torchrun."""
    paths = [str(folder / f"{number}.py") for number in range(len(configs))]
    for cfg, path in zip(configs, paths, strict=True):
        cfg.dump(path)
    launchers = [_start(_TRAIN, *paths, options=options, folder=folder) for options in machines]
    results = [_finish(launcher) for launcher in launchers]
    assert [code for code, _ in results] == [0] * len(machines), results[0][1][-6000:]


def _start(code: str, *arguments: str, options: list[str], folder: Path) -> subprocess.Popen:
    script = folder / "script.py"
    script.write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", *options, str(script), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder
    )


def _finish(launcher: subprocess.Popen) -> tuple[int, str]:
    """Return its exit code and what it has said; end its processes if it takes too long."""
    try:
        _, errors = launcher.communicate(timeout=240)
    finally:
        launcher.terminate()
    return launcher.returncode, errors


def _assert_same_training(folder: Path, expected: Path) -> None:
    """Compare averaged weights, those that the optimizer moves, its moments, and validation."""
    found, wanted = (read_checkpoint(path / "iter_4.pth") for path in (folder, expected))
    for key in ("state_dict", "ema_state_dict", "optimizer"):
        torch.testing.assert_close(found[key], wanted[key], **CLOSE)
    assert _metrics(folder) == pytest.approx(_metrics(expected), rel=1e-4)


def _metrics(folder: Path) -> dict[str, float]:
    """Return what the last validation has found."""
    (log,) = folder.glob("*/vis_data/scalars.json")
    found = json.loads(log.read_text().splitlines()[-1])
    return {name: value for name, value in found.items() if "time" not in name}


def test_two_processes_learn_what_one_does(on_two):
    _assert_same_training(on_two / "parallel", on_two / "alone")


def test_validation_counts_no_hand_twice(on_two):
    assert _metrics(on_two / "parallel")["num_hands"] == NUM_VAL_HANDS


def test_sharded_processes_learn_what_one_does(on_two):
    _assert_same_training(on_two / "sharded", on_two / "alone")


def test_sharded_processes_leave_frozen_parts_alone_and_accumulate_gradients(on_two):
    folder = on_two / "sharded_frozen"
    _assert_same_training(folder, on_two / "alone_frozen")
    before, after = (read_checkpoint(folder / f"iter_{n}.pth")["state_dict"] for n in (2, 4))
    moved = {name.split(".")[0] for name, value in after.items() if not value.equal(before[name])}
    assert moved == {"head"}


def test_sharded_processes_may_talk_in_bf16(on_two):
    checkpoint = read_checkpoint(on_two / "sharded_bf16" / "iter_4.pth")
    assert {value.dtype for value in checkpoint["state_dict"].values()} <= {
        torch.float32,
        torch.int64,
    }
    error, exact = (_metrics(on_two / name)["mpjpe_cam"] for name in ("sharded_bf16", "alone"))
    assert error != exact
    assert error == pytest.approx(exact, rel=0.01)


def test_batch_norms_are_the_same_in_all_processes(on_two):
    first, second = (torch.load(on_two / "norms" / f"buffers_{rank}.pth") for rank in (0, 1))
    assert any("running_var" in name for name in first)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_one_process_goes_on_from_a_sharded_checkpoint(on_two, steady):
    cfg = steady("alone_after_sharded", 1, _resumed(on_two / "sharded"))
    RUNNERS.build(cfg).train()
    _assert_same_training(Path(cfg.work_dir), on_two / "alone")


def test_two_machines_learn_what_one_process_does(on_four):
    _assert_same_training(on_four / "parallel_4", on_four / "alone")


@pytest.mark.parametrize("former", ["alone", "sharded"])
def test_more_sharded_processes_go_on_from_any_checkpoint(on_four, former):
    _assert_same_training(on_four / f"sharded_after_{former}", on_four / "alone")


_HANG = """
import signal, sys, time
from mmengine.config import Config
from mmengine.hooks import Hook
from handvit.registry import RUNNERS
class Hang(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # else torchrun waits for 30 s
            time.sleep(1000)
runner = RUNNERS.build(Config.fromfile(sys.argv[1]))
runner.register_hook(Hang())
runner.train()
"""


def test_a_process_that_hangs_ends_all(steady, tmp_path):
    cfg = steady("hang", 2, {"env_cfg.dist_cfg.timeout": 8})
    config = str(tmp_path / "config.py")
    cfg.dump(config)
    code, errors = _finish(_start(_HANG, config, options=LOCAL, folder=tmp_path))
    assert code != 0
    assert re.search(r"\[rank0\]: RuntimeError: .*Timed out waiting 8000ms", errors)
    assert re.search(r"Root Cause.*\n(.*\n){3} +rank +: 0 ", errors)
