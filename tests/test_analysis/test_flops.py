import torch
from torch import nn

from handvit.analysis import count_flops, count_streamed_flops, fake_model, plain_crops
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens

WIDTH, TOKENS = 96, 17  # of the recipe's ViT: 4 x 4 patches and a CLS token


class _Scale(nn.Module):
    """A neck that learns, but multiplies no matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(WIDTH))

    def forward(self, tokens: HandTokens, crops: HandCrops) -> HandTokens:
        return tokens.with_all(tokens.all * self.scale)


def _vit_flops(width: int, depth: int, side: int, patch_size: int) -> int:
    """Two operations a multiply-add of patch embedding, maps (12 D^2 a token) and attention."""
    patches = (side // patch_size) ** 2
    tokens = patches + 1
    embedding = patches * 3 * patch_size**2 * width
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    return 2 * (embedding + depth * block)


def _step_flops(num_layers: int, max_frames: int) -> int:
    """Two operations a multiply-add of one step of the temporal encoder, at every token.

    A layer's maps take 8 D^2 (four of attention, two of an MLP of width 2 D), its attention 2 D for
    each frame that is looked at; the output map takes D^2.
    """
    layer = 8 * WIDTH**2 + 2 * WIDTH * max_frames
    return 2 * TOKENS * (num_layers * layer + WIDTH**2)


def test_a_vision_transformer_by_hand(vit_recipe):
    with fake_model(vit_recipe().model) as model:
        counts = count_flops(model, plain_crops(1, crop_size=56))
    assert counts["backbone"] == _vit_flops(width=96, depth=4, side=56, patch_size=14)
    assert {name for name, count in counts.items() if count} == {"backbone", "neck", "head"}


def test_real_and_fake_models_cost_the_same(vit_recipe):
    cfg = vit_recipe("stage2_tiny_t7")
    crops = plain_crops(1, num_frames=7, crop_size=56)
    real = count_flops(MODELS.build(cfg.model), crops)
    with fake_model(cfg.model) as model:
        assert count_flops(model, plain_crops(1, num_frames=7, crop_size=56)) == real
    assert real["backbone"] == 7 * _vit_flops(width=96, depth=4, side=56, patch_size=14)
    assert real["temporal"] > 0


def test_a_streamed_frame_by_hand(vit_recipe):
    with fake_model(vit_recipe("stage2_tiny_t7").model) as model:
        crops = plain_crops(1, num_frames=7, crop_size=56)
        frame, clip = count_streamed_flops(model, crops), count_flops(model, crops)
    assert frame["temporal"] == _step_flops(num_layers=2, max_frames=7) < clip["temporal"]
    assert frame["head"] == clip["head"]
    assert all(7 * frame[name] == clip[name] for name in ("backbone", "neck"))


def test_a_stream_without_memory_costs_a_frame(vit_recipe):
    with fake_model(vit_recipe().model) as model:
        crops = plain_crops(1, crop_size=56)
        assert count_streamed_flops(model, crops) == count_flops(model, crops)


def test_a_part_without_matrix_products_costs_nothing(vit_recipe):
    model = MODELS.build(vit_recipe().model)
    model.neck = _Scale()
    counts = count_flops(model, plain_crops(1, crop_size=56))
    assert counts["neck"] == 0 < counts["head"]


def test_the_head_holds_the_hand_model(vit_recipe):
    model = MODELS.build(vit_recipe().model)
    small = count_flops(model, plain_crops(1, crop_size=56))["head"]

    def multiply(*_: object) -> None:
        torch.ones(7, 11) @ torch.ones(11, 13)

    model.hand_model.register_forward_hook(multiply)
    assert count_flops(model, plain_crops(1, crop_size=56))["head"] == small + 2 * 7 * 11 * 13
