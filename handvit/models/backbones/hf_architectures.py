"""Know the public checkpoints' architectures, to build and count a model without its weights."""

from typing import Any


def _dinov2(width: int, depth: int, heads: int, **rest: Any) -> dict[str, Any]:
    """DINOv2 (Oquab et al. 2023): trained at 224 px, positions stored for 518 px."""
    return dict(
        model_type="dinov2",
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        patch_size=14,
        image_size=518,
        **rest,
    )


def _dinov2_with_registers(*sizes: int, **rest: Any) -> dict[str, Any]:
    """DINOv2 with four register tokens (Darcet et al. 2023)."""
    return {
        **_dinov2(*sizes, **rest),
        "model_type": "dinov2_with_registers",
        "num_register_tokens": 4,
    }


def _dinov3(width: int, depth: int, heads: int, mlp_width: int, **rest: Any) -> dict[str, Any]:
    """DINOv3 (Simeoni et al. 2025): rotary positions, four register tokens."""
    return dict(
        model_type="dinov3_vit",
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=mlp_width,
        patch_size=16,
        image_size=224,
        num_register_tokens=4,
        **rest,
    )


def _vit_mae(width: int, depth: int, heads: int, patch_size: int) -> dict[str, Any]:
    """Masked autoencoder (He et al. 2022); only its encoder is built."""
    return dict(
        model_type="vit_mae",
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        patch_size=patch_size,
        image_size=224,
    )


def _swinv2(width: int, third_depth: int, window_size: int, **rest: Any) -> dict[str, Any]:
    """SwinV2 (Liu et al. 2022) for 256 px; heads are 32 channels wide."""
    return dict(
        model_type="swinv2",
        embed_dim=width,
        depths=[2, 2, third_depth, 2],
        num_heads=[width // 32 * 2**stage for stage in range(4)],
        window_size=window_size,
        patch_size=4,
        image_size=256,
        **rest,
    )


# Windows of the pre-training at 192 px, which scale the relative positions.
_FROM_192 = dict(pretrained_window_sizes=[12, 12, 12, 6])

# Name of the folder under data/weights/, which is the checkpoint's name on the Hugging Face hub, to
# the transformers config; keys that are left out have transformers' defaults.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "dinov2-small": _dinov2(384, 12, 6),
    "dinov2-base": _dinov2(768, 12, 12),
    "dinov2-large": _dinov2(1024, 24, 16),
    "dinov2-giant": _dinov2(1536, 40, 24, use_swiglu_ffn=True),
    "dinov2-with-registers-small": _dinov2_with_registers(384, 12, 6),
    "dinov2-with-registers-base": _dinov2_with_registers(768, 12, 12),
    "dinov2-with-registers-large": _dinov2_with_registers(1024, 24, 16),
    "dinov2-with-registers-giant": _dinov2_with_registers(1536, 40, 24, use_swiglu_ffn=True),
    "dinov3-vits16-pretrain-lvd1689m": _dinov3(384, 12, 6, 1536),
    "dinov3-vitb16-pretrain-lvd1689m": _dinov3(768, 12, 12, 3072),
    "dinov3-vitl16-pretrain-lvd1689m": _dinov3(1024, 24, 16, 4096),
    "dinov3-vith16plus-pretrain-lvd1689m": _dinov3(
        1280, 32, 20, 5120, use_gated_mlp=True, hidden_act="silu"
    ),
    "vit-mae-base": _vit_mae(768, 12, 12, patch_size=16),
    "vit-mae-large": _vit_mae(1024, 24, 16, patch_size=16),
    "vit-mae-huge": _vit_mae(1280, 32, 16, patch_size=14),
    "swinv2-tiny-patch4-window8-256": _swinv2(96, 6, 8),
    "swinv2-small-patch4-window8-256": _swinv2(96, 18, 8),
    "swinv2-base-patch4-window12to16-192to256-22kto1k-ft": _swinv2(128, 18, 16, **_FROM_192),
    "swinv2-large-patch4-window12to16-192to256-22kto1k-ft": _swinv2(192, 18, 16, **_FROM_192),
    # ConvNeXt V2 (Woo et al. 2023), table 8: the sizes are transformers' defaults.
    "convnextv2-tiny-22k-224": dict(model_type="convnextv2"),
    # MobileViT (Mehta and Rastegari 2022), size S: transformers' defaults too.
    "mobilevit-small": dict(model_type="mobilevit"),
}
