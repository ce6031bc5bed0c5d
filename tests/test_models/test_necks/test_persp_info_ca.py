import pytest
import torch

from handvit.models.necks import PerspInfoCrossAttention
from handvit.models.necks.ray_features import ray_features
from handvit.structures import HandTokens

DIM = 16


@pytest.fixture
def trained() -> PerspInfoCrossAttention:
    """A neck with an output that is not zero."""
    neck = PerspInfoCrossAttention(DIM, num_heads=4)
    torch.nn.init.normal_(neck.attention.to_out.weight)
    return neck


def test_only_patches_look_at_the_rays(trained, make_tokens, make_crops):
    tokens = make_tokens()
    seen = trained(tokens, make_crops())
    assert torch.equal(seen.prefix, tokens.prefix)
    assert ((seen.patches - tokens.patches).abs().amax(-1) > 1e-3).all()


def test_patches_see_by_what_they_hold(trained, make_tokens, make_crops):
    """The update is pre-norm attention of one patch to the 64 embedded rays."""
    tokens, crops = make_tokens(), make_crops()
    one = trained.norm(tokens.patches[:, 0, 4:5])  # (B, 1, D)
    wanted = trained.attention(one, trained.embed(ray_features(crops))[:, 0])
    update = (trained(tokens, crops).patches - tokens.patches)[:, 0, 4:5]
    torch.testing.assert_close(update, wanted, rtol=0, atol=1e-5)


def test_bfloat16_keeps_what_tells_two_cameras_apart(zoomed, make_crops):
    """In autocast, 2 % of focal length change the tokens by what they change them in float32."""
    neck = PerspInfoCrossAttention(384)
    torch.nn.init.normal_(neck.attention.to_out.weight, std=0.02)
    tokens = HandTokens(torch.zeros(2, 1, 0, 384), torch.randn(2, 1, 6, 384), (2, 3))
    crops = make_crops()

    def change() -> torch.Tensor:
        return neck(tokens, zoomed(crops, 1.02)).patches - neck(tokens, crops).patches

    expected = change()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = change()
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 0.1 * expected.norm()


def test_tokens_keep_their_number_format(trained, make_tokens, make_crops):
    tokens = make_tokens()
    tokens = tokens._replace(patches=tokens.patches.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert trained(tokens, make_crops()).patches.dtype == torch.bfloat16


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=3 does not divide the width 16"):
        PerspInfoCrossAttention(DIM, num_heads=3)
