import pytest
import torch

from handvit.registry import MODELS


@pytest.mark.parametrize("num_prefix", [0, 1])
def test_tokens_stay_whatever_the_camera(make_tokens, make_crops, zoomed, num_prefix):
    neck = MODELS.build(dict(type="NoPerspInfo", dim=16))
    tokens, crops = make_tokens(2, 7, num_prefix), make_crops(2, 7)
    for camera in (crops, zoomed(crops, 1.5)):
        seen = neck(tokens, camera)
        assert torch.equal(seen.prefix, tokens.prefix) and torch.equal(seen.patches, tokens.patches)


def test_there_is_nothing_to_train():
    assert not list(MODELS.build(dict(type="NoPerspInfo", dim=16)).parameters())
