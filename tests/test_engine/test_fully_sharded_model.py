from collections import defaultdict
from collections.abc import Callable

import pytest
import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn
from torch.distributed.fsdp import FSDPModule

from handvit.engine.fully_sharded_model import FullyShardedModel, find_listed_blocks
from handvit.registry import MODELS

VIT = dict(
    model_type="dinov2",
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=32,
    patch_size=8,
)
SWIN = dict(
    model_type="swinv2",
    embed_dim=8,
    depths=[2, 1],
    num_heads=[1, 2],
    window_size=4,
    image_size=32,
    patch_size=4,
)


@pytest.fixture
def make_model(tiny_config, tmp_path) -> Callable[[], nn.Module]:
    """Return ``make()``: a tiny model with a vision transformer, always with the same weights."""
    cfg = tiny_config("stage1_tiny.py", tmp_path, {"model.head.decoder.dropout": 0.0})
    cfg.model.backbone = dict(type="HFViT", config=VIT)
    cfg.model.data_preprocessor.geometric = None

    def make() -> nn.Module:
        torch.manual_seed(0)
        return MODELS.build(cfg.model)

    return make


@pytest.mark.parametrize(
    ("backbone", "config", "name", "count"),
    [("HFViT", VIT, "Dinov2Layer", 2), ("HFSwin", SWIN, "Swinv2Layer", 3)],
)
def test_blocks_are_found_through_stages(backbone, config, name, count):
    blocks = list(find_listed_blocks(MODELS.build(dict(type=backbone, config=config))))
    assert [type(block).__name__ for block in blocks] == [name] * count


def test_each_block_and_the_rest_are_sharded(one_process, make_model):
    model = FullyShardedModel(make_model())
    assert is_model_wrapper(model)
    found = [type(module).__name__ for module in model.modules() if isinstance(module, FSDPModule)]
    assert found == ["FSDPHandPoseEstimator", "FSDPDinov2Layer", "FSDPDinov2Layer"]


def test_prediction_and_step_are_those_of_the_whole_model(one_process, make_model, make_batch):
    whole, sharded = make_model(), FullyShardedModel(make_model())
    optimizers = [
        OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1)) for model in (whole, sharded)
    ]
    for model, optimizer in zip((whole, sharded), optimizers, strict=True):
        model.train()
        model.train_step(make_batch(), optimizer)
        model.eval()
    expected, found = (model.val_step(make_batch()) for model in (whole, sharded))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.keypoints_cam, other.keypoints_cam)


def test_bf16_is_for_blocks_without_their_norms(one_process, make_model, make_batch):
    model = FullyShardedModel(make_model(), bf16=True)
    seen = defaultdict(set)

    def note(module: nn.Module, arguments: object) -> None:
        seen[type(module).__name__, module.weight.dtype].add(module)

    layers = (nn.Linear, nn.LayerNorm)
    for module in model.module.backbone.modules():
        if isinstance(module, layers):
            module.register_forward_pre_hook(note)
    model.module.head.shape_head.register_forward_pre_hook(
        lambda module, arguments: seen["head", module.weight.dtype, arguments[0].dtype].add(module)
    )
    model.val_step(make_batch())
    assert seen["Linear", torch.bfloat16]
    assert not seen["Linear", torch.float32]
    assert not seen["LayerNorm", torch.bfloat16]
    assert seen["head", torch.float32, torch.float32]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
