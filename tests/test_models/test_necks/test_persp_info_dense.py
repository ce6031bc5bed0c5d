import pytest
import torch
import torch.nn.functional as F

from handvit.models.necks import PerspInfoDenseAll, PerspInfoDenseCls, PerspInfoDensePatch
from handvit.models.necks.persp_info_dense import RayCode
from handvit.models.necks.ray_features import ray_features

DIM = 16


def trained(neck: torch.nn.Module) -> torch.nn.Module:
    """Give the neck an output that is not zero."""
    torch.nn.init.normal_(neck.code.to_code.weight)
    torch.nn.init.normal_(neck.code.to_code.bias)
    return neck


def test_code_by_hand(make_crops):
    """One hidden unit that hears ray_y of cell 5 only: entry 2 * 5 + 1 of the flattened rays."""
    crops = make_crops(2, 3)
    code = RayCode(DIM)
    assert code(crops).shape == (2, 3, 1, DIM)
    with torch.no_grad():
        for parameter in code.parameters():
            parameter.zero_()
        code.widen.weight[4, 11] = 3.0
        code.to_code.weight[2, 4] = 0.5
        code.to_code.bias[7] = 1.5
    wanted = torch.zeros(2, 3, 1, DIM)
    wanted[..., 0, 2] = 0.5 * F.gelu(3.0 * ray_features(crops)[..., 5, 1])
    wanted[..., 7] = 1.5
    torch.testing.assert_close(code(crops), wanted)


@pytest.mark.parametrize(
    ("neck_type", "on_prefix", "on_patches"),
    [
        (PerspInfoDenseCls, 1, 0),
        (PerspInfoDensePatch, 0, 1),
        (PerspInfoDenseAll, 1, 1),
    ],
)
def test_code_is_added_where_the_name_says(
    neck_type, on_prefix, on_patches, make_tokens, make_crops
):
    neck, tokens, crops = trained(neck_type(DIM)), make_tokens(2, 3), make_crops(2, 3)
    seen, code = neck(tokens, crops), neck.code(crops)
    assert code.abs().min() > 0
    assert torch.equal(seen.prefix, tokens.prefix + on_prefix * code)
    assert torch.equal(seen.patches, tokens.patches + on_patches * code)


def test_bfloat16_keeps_what_tells_two_cameras_apart(zoomed, make_crops):
    """In autocast, 2 % of focal length change the code by what they change it in float32."""
    code, crops = RayCode(384), make_crops()
    torch.nn.init.normal_(code.to_code.weight, std=0.02)
    expected = code(zoomed(crops, 1.02)) - code(crops)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = code(zoomed(crops, 1.02)) - code(crops)
    assert (found - expected).norm() < 0.1 * expected.norm()


def test_cls_code_needs_a_cls_token(make_tokens, make_crops):
    with pytest.raises(ValueError, match=r"needs a CLS token.*use type='PerspInfoDensePatch'"):
        PerspInfoDenseCls(DIM)(make_tokens(num_prefix=0), make_crops())


def test_all_equals_patch_without_a_cls_token(make_tokens, make_crops):
    tokens, crops = make_tokens(num_prefix=0), make_crops()
    everywhere, patches = trained(PerspInfoDenseAll(DIM)), PerspInfoDensePatch(DIM)
    patches.load_state_dict(everywhere.state_dict())
    assert torch.equal(everywhere(tokens, crops).all, patches(tokens, crops).all)
