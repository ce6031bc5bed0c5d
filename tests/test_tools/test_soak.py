import json

import pytest
import torch

TOOL = "benchmark/soak.py"


@pytest.fixture
def tool(load_tool):
    return load_tool(TOOL)


@pytest.fixture
def checkpoints(tmp_path):
    """Two folders with equal checkpoints of iteration 3, and a way to change the second."""

    def write(name: str, change=lambda content: None) -> None:
        content = {
            "meta": {"iter": 3},
            "state_dict": {"weight": torch.ones(2)},
            "ema_state_dict": {"weight": torch.zeros(2)},
            "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}},
            "param_schedulers": [{"last_step": 3, "name": "lr"}],
            "message_hub": {"log_scalars": {"train/loss": [1.0, 0.5]}},
        }
        change(content)
        (tmp_path / name).mkdir(exist_ok=True)
        torch.save(content, tmp_path / name / "iter_3.pth")

    write("one")
    write("other")
    return write


def test_equal_trainings_have_no_differences(tool, checkpoints, tmp_path):
    assert tool.compare(tmp_path / "one", tmp_path / "other", 3) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("state_dict", lambda c: c["state_dict"]["weight"].add_(1e-7)),
        ("ema_state_dict", lambda c: c["ema_state_dict"].clear()),
        ("optimizer", lambda c: c["optimizer"]["state"][0]["step"].add_(1)),
        ("param_schedulers", lambda c: c["param_schedulers"][0].update(last_step=2)),
        ("history of the loss", lambda c: c["message_hub"]["log_scalars"]["train/loss"].pop()),
    ],
)
def test_a_difference_is_named(tool, checkpoints, tmp_path, name, change):
    checkpoints("other", change)
    assert tool.compare(tmp_path / "one", tmp_path / "other", 3) == [name]


def test_a_training_that_dies_while_saving_keeps_the_checkpoint_before(tool, tmp_path):
    config = tool.write_config(tmp_path, num_iterations=8, checkpoint_interval=4)
    assert tool.die_while_saving(config, tmp_path / "killed", 2) == "SIGKILL while saving"
    assert [path.name for path in (tmp_path / "killed").glob("*.pth")] == ["iter_4.pth"]
    (torn,) = (tmp_path / "killed").glob(".iter_8.pth.*.tmp")
    assert torn.stat().st_size > 0


def test_growing_memory_is_told_from_noise(tool):
    steps = list(range(0, 10_000, 10))
    flat = tool.judge_memory([(step, 500 + step % 3) for step in steps], 10_000)
    assert flat["passed"] and abs(flat["mb_per_1000_iterations"]) < 0.01
    leak = tool.judge_memory([(step, 500 + step / 500) for step in steps], 10_000)
    assert not leak["passed"]
    assert leak["mb_per_1000_iterations"] == pytest.approx(2.0)
    json.dumps(flat)
