from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors import safe_open

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.inference_export import (
    CARD,
    CONFIG,
    WEIGHTS,
    read_export,
    write_export,
)
from handvit.engine.portable_config import portable_config
from handvit.registry import MODELS, RUNNERS

STAGE1 = "stage1_tiny.py"


@pytest.fixture(scope="module")
def trained(tiny_config, tmp_path_factory) -> tuple[dict, dict]:
    """A portable recipe and its checkpoint."""
    folder = tmp_path_factory.mktemp("trained")
    RUNNERS.build(tiny_config(STAGE1, folder)).train()
    return portable_config(tiny_config(STAGE1, folder)), read_checkpoint(folder / "iter_4.pth")


@pytest.fixture
def export(trained, tmp_path) -> Path:
    write_export(tmp_path / "export", *trained)
    return tmp_path / "export"


def test_weights_and_card_come_back(export, trained):
    _, checkpoint = trained
    found = read_export(export)
    torch.testing.assert_close(found["state_dict"], dict(checkpoint["state_dict"]), rtol=0, atol=0)
    assert found["meta"]["hand_model"] == checkpoint["meta"]["hand_model"]
    assert found["meta"]["iter"] == 4
    (trained_on,) = found["meta"]["training_range"]
    assert trained_on["datasets"][0]["name"] == "tiny"


def test_the_config_builds_the_model(export):
    cfg = Config.fromfile(export / CONFIG)
    model = MODELS.build(cfg.model)
    model.load_state_dict(read_export(export)["state_dict"])
    assert cfg.keys().isdisjoint({"work_dir", "load_from", "train_dataloader"})


def test_no_array_of_the_hand_model_is_in_it(export):
    with safe_open(export / WEIGHTS, framework="pt") as file:
        assert not [name for name in file.keys() if name.startswith("hand_model")]  # noqa: SIM118


def test_a_checkpoint_without_provenance_is_refused(trained, tmp_path):
    config, checkpoint = trained
    with pytest.raises(ValueError, match=r"no \['training_range'\]; train some iterations"):
        meta = {k: v for k, v in checkpoint["meta"].items() if k != "training_range"}
        write_export(tmp_path / "export", config, {**checkpoint, "meta": meta})
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD])
def test_a_missing_file_is_named(export, name):
    (export / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {name}"):
        read_export(export)


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_a_torn_file_is_refused(export, name):
    content = (export / name).read_bytes()
    (export / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"export .*: damaged"):
        read_export(export)
