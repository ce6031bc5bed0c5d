import socket

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from handvit.models.backbones.hf_loading import load_hf_model, read_hf_config

TINY = dict(
    model_type="dinov2",
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    mlp_ratio=2,
    image_size=28,
    patch_size=14,
)


@pytest.fixture(autouse=True)
def _no_progress_bars():
    transformers_logging.disable_progress_bar()
    yield
    transformers_logging.enable_progress_bar()


@pytest.fixture
def folder(tmp_path) -> str:
    """A local Hugging Face folder with random weights."""
    load_hf_model(None, TINY).save_pretrained(tmp_path)
    return str(tmp_path)


def test_round_trip_through_a_folder_is_exact_and_offline(tmp_path, monkeypatch):
    saved = load_hf_model(None, TINY).eval()
    saved.save_pretrained(tmp_path)

    def refuse(*arguments):
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    loaded = load_hf_model(str(tmp_path), None).eval()
    crop = torch.randn(1, 3, 28, 28)
    assert torch.equal(loaded(crop).last_hidden_state, saved(crop).last_hidden_state)


def test_weights_are_float32_however_stored(tmp_path):
    load_hf_model(None, TINY).bfloat16().save_pretrained(tmp_path)
    loaded = load_hf_model(str(tmp_path), None)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize("pretrained, config", [(None, None), ("data/weights/x", TINY)])
def test_exactly_one_source_is_needed(pretrained, config):
    with pytest.raises(ValueError, match=r"either pretrained=.* or config="):
        load_hf_model(pretrained, config)


def test_folder_without_a_model_is_named_with_the_way_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config.json in .*hf download"):
        load_hf_model(str(tmp_path), None)


def test_name_of_the_hub_is_no_folder():
    with pytest.raises(FileNotFoundError, match="facebook/dinov2-large"):
        load_hf_model("facebook/dinov2-large", None)


def test_missing_weights_are_refused(folder):
    """Otherwise they would stay random: a wrong or truncated checkpoint."""
    weights = load_file(f"{folder}/model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1" not in name}
    save_file(kept, f"{folder}/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"18 tensors are missing, first 'encoder\.layer\.1"):
        load_hf_model(folder, None)


def test_missing_pooler_is_accepted(tmp_path):
    config = {**TINY, "model_type": "vit", "intermediate_size": 32, "image_size": 28}
    del config["mlp_ratio"]
    load_hf_model(None, config).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    load_hf_model(str(tmp_path), None)


def test_misspelt_key_is_named():
    with pytest.raises(ValueError, match=r"Dinov2Config has no \['hiden_size'\].*'hidden_size'"):
        load_hf_model(None, {"model_type": "dinov2", "hiden_size": 16})


def test_model_type_is_needed_and_must_exist():
    with pytest.raises(ValueError, match="model_type is missing"):
        load_hf_model(None, {"hidden_size": 16})
    with pytest.raises(ValueError, match="dinov99"):
        load_hf_model(None, {"model_type": "dinov99"})


def test_config_is_left_as_it_was():
    config = dict(TINY)
    load_hf_model(None, config)
    assert config.items() <= TINY.items()  # nothing of the machine, and what is usual is not said


def test_drop_path_has_one_name():
    with pytest.raises(ValueError, match="set drop_path of the backbone, not drop_path_rate"):
        load_hf_model(None, {**TINY, "drop_path_rate": 0.1})


def test_the_config_of_a_folder_builds_its_architecture(folder):
    config = read_hf_config(folder)
    assert config.items() <= TINY.items()  # nothing of the machine, and what is usual is not said
    shapes = [
        {name: value.shape for name, value in model.state_dict().items()}
        for model in (load_hf_model(folder, None), load_hf_model(None, config))
    ]
    assert shapes[0] == shapes[1]


def test_a_folder_with_stochastic_depth_leaves_it_to_the_backbone(tmp_path):
    model = load_hf_model(None, TINY)
    model.config.drop_path_rate = 0.3
    model.save_pretrained(tmp_path)
    load_hf_model(None, read_hf_config(str(tmp_path)))


def test_the_config_of_no_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json in"):
        read_hf_config(str(tmp_path / "nowhere"))
