import torch

from handvit.analysis import count_flops, fake_model, plain_crops
from handvit.registry import MODELS


def _vit_flops(width: int, depth: int, side: int, patch_size: int) -> int:
    """Two operations a multiply-add of patch embedding, maps (12 D^2 a token) and attention."""
    patches = (side // patch_size) ** 2
    tokens = patches + 1
    embedding = patches * 3 * patch_size**2 * width
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    return 2 * (embedding + depth * block)


def test_a_vision_transformer_by_hand(vit_recipe):
    with fake_model(vit_recipe().model) as model:
        counts = count_flops(model, plain_crops(1, crop_size=56))
    assert counts["backbone"] == _vit_flops(width=96, depth=4, side=56, patch_size=14)
    assert counts.keys() == {"backbone", "neck", "head"}


def test_real_and_fake_models_cost_the_same(vit_recipe):
    cfg = vit_recipe("stage2_tiny_t7")
    crops = plain_crops(1, num_frames=7, crop_size=56)
    real = count_flops(MODELS.build(cfg.model), crops)
    with fake_model(cfg.model) as model:
        assert count_flops(model, plain_crops(1, num_frames=7, crop_size=56)) == real
    assert real["backbone"] == 7 * _vit_flops(width=96, depth=4, side=56, patch_size=14)
    assert real["temporal"] > 0


def test_the_head_holds_the_hand_model(vit_recipe):
    model = MODELS.build(vit_recipe().model)
    small = count_flops(model, plain_crops(1, crop_size=56))["head"]

    def multiply(*_: object) -> None:
        torch.ones(7, 11) @ torch.ones(11, 13)

    model.hand_model.register_forward_hook(multiply)
    assert count_flops(model, plain_crops(1, crop_size=56))["head"] == small + 2 * 7 * 11 * 13
