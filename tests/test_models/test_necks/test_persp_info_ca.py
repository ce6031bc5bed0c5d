import pytest
import torch

from handvit.models.necks import PerspInfoCrossAttention
from handvit.models.necks.ray_features import ray_features

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


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=3 does not divide the width 16"):
        PerspInfoCrossAttention(DIM, num_heads=3)
