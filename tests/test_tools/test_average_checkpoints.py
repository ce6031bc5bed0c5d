import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from handvit.engine.checkpoints import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("misc/average_checkpoints.py")


@pytest.fixture
def write(tmp_path):
    """Return ``write(iteration, weight, ...)``: a checkpoint with a weight and a counter."""

    def write(
        iteration: int, weight: Tensor, *, hand_model: str = "openhand:12", **more: Tensor
    ) -> Path:
        path = tmp_path / f"iter_{iteration}.pth"
        state = {"head.weight": weight, "head.counter": torch.tensor(iteration), **more}
        meta = {"iter": iteration, "hand_model": hand_model, "transformers": "5.20.0"}
        optimizer = {"state": {0: torch.zeros(1)}}
        torch.save({"state_dict": state, "meta": meta, "optimizer": optimizer}, path)
        return path

    return write


def _run(tool, out: Path, *paths: Path) -> None:
    tool.main([*map(str, paths), "--out", str(out)])


def _failure(tool, capsys, out: Path, *paths: Path) -> str:
    with pytest.raises(SystemExit) as stop:
        _run(tool, out, *paths)
    assert stop.value.code == 1
    assert not out.exists()
    return capsys.readouterr().err


def test_the_mean_is_uniform_and_in_the_weights_own_type(tool, write, tmp_path, capsys):
    values = [torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]), torch.tensor([6.0, 0.0])]
    paths = [write(iteration, value) for iteration, value in zip((10, 30, 20), values, strict=True)]
    _run(tool, tmp_path / "new" / "mean.pth", *paths)
    mean = read_checkpoint(tmp_path / "new" / "mean.pth")
    assert mean["state_dict"]["head.weight"].tolist() == [3.0, 2.0]
    assert mean["state_dict"]["head.weight"].dtype == torch.float32
    assert "iterations 10, 20, 30" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("order", [(10, 30, 20), (30, 10, 20), (10, 20, 30)])
def test_counters_and_meta_come_from_the_latest_and_the_optimizer_is_left_out(
    tool, write, tmp_path, order
):
    paths = [write(iteration, torch.zeros(2)) for iteration in order]
    _run(tool, tmp_path / "mean.pth", *paths)
    mean = read_checkpoint(tmp_path / "mean.pth")
    assert mean.keys() == {"meta", "state_dict"}
    assert mean["state_dict"]["head.counter"] == 30
    averaged = {"averaged_iters": [10, 20, 30]}
    assert mean["meta"] == {
        "iter": 30,
        "hand_model": "openhand:12",
        "transformers": "5.20.0",
        **averaged,
    }


def test_the_sum_is_kept_in_float64(tool, write, tmp_path):
    # In float32, 2**24 + 1 + 1 is 2**24; in bfloat16 already 256 + 1 is 256.
    large = [write(i, torch.tensor([v])) for i, v in enumerate((2.0**24, 1.0, 1.0, 2.0))]
    _run(tool, tmp_path / "mean.pth", *large)
    mean = read_checkpoint(tmp_path / "mean.pth")["state_dict"]["head.weight"]
    assert mean.item() == 2**22 + 1
    coarse = [write(i, torch.tensor([v], dtype=torch.bfloat16)) for i, v in enumerate((256, 1, 3))]
    _run(tool, tmp_path / "mean.pth", *coarse)
    mean = read_checkpoint(tmp_path / "mean.pth")["state_dict"]["head.weight"]
    assert mean.dtype == torch.bfloat16
    assert mean.item() == torch.tensor(260 / 3).bfloat16().item()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(hand_model="mano:34"), "trained with hand model mano:34 instead of openhand:12"),
        (dict(weight=torch.zeros(3)), "head.weight is (3,) torch.float32 instead of (2,)"),
        (dict(weight=torch.zeros(2, dtype=torch.long)), "head.weight is (2,) torch.int64 instead"),
        ({"temporal.weight": torch.zeros(1)}, "has temporal.weight, which is not in the other"),
    ],
)
def test_checkpoints_of_another_run_are_refused(tool, write, tmp_path, capsys, change, message):
    paths = [write(10, torch.zeros(2)), write(20, **{"weight": torch.zeros(2), **change})]
    found = _failure(tool, capsys, tmp_path / "mean.pth", *paths)
    assert f"{paths[1]} does not belong with {paths[0]}: {message}" in found


def test_no_iteration_counts_twice(tool, write, tmp_path, capsys):
    """As would the best checkpoint beside the numbered one of the same iteration."""
    paths = [write(10, torch.zeros(2)), write(20, torch.zeros(2)), tmp_path / "best_iter_10.pth"]
    paths[2].write_bytes(paths[0].read_bytes())
    found = _failure(tool, capsys, tmp_path / "mean.pth", *paths)
    assert f"{paths[2]}: is of iteration 10 like {paths[0]}; leave one of them out" in found


def test_a_missing_weight_is_named(tool, write, tmp_path, capsys):
    paths = [
        write(10, torch.zeros(2), **{"temporal.weight": torch.zeros(1)}),
        write(20, torch.zeros(2)),
    ]
    found = _failure(tool, capsys, tmp_path / "mean.pth", *paths)
    assert f"{paths[1]} does not belong with {paths[0]}: has no temporal.weight" in found


def test_files_that_are_no_checkpoints_of_ours_are_refused(tool, write, tmp_path, capsys):
    path, out = write(10, torch.zeros(2)), tmp_path / "mean.pth"
    assert "no such file" in _failure(tool, capsys, out, path, tmp_path / "missing.pth")
    torch.save({"state_dict": {}, "meta": {"iter": 1}}, tmp_path / "foreign.pth")
    found = _failure(tool, capsys, out, path, tmp_path / "foreign.pth")
    assert f"{tmp_path / 'foreign.pth'}: its 'meta' has no ['hand_model']" in found


def test_no_checkpoint_is_overwritten(tool, write, capsys):
    path = write(10, torch.zeros(2))
    before = path.read_bytes()
    with pytest.raises(SystemExit):
        _run(tool, path.parent / "." / path.name, path)
    assert "is one of the checkpoints to average" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_the_result_can_be_tested(tool, tiny_options, run_tool, tmp_path):
    options = [*tiny_options, "train_cfg.max_iters=2", "default_hooks.checkpoint.interval=1"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, *options)
    paths = [tmp_path / "iter_1.pth", tmp_path / "iter_2.pth"]
    _run(tool, tmp_path / "mean.pth", *paths)
    one, two, mean = (read_checkpoint(p)["state_dict"] for p in [*paths, tmp_path / "mean.pth"])
    for name in (name for name, value in mean.items() if value.is_floating_point()):
        torch.testing.assert_close(mean[name], (one[name] + two[name]) / 2)
    run_tool(
        "test.py", STAGE1, tmp_path / "mean.pth", "--work-dir", tmp_path / "test", *tiny_options
    )
    written = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert written["metrics"]["num_hands"] == 24
