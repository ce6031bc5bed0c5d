import pytest
import torch

from handvit.models.backbones.token_grid import token_grid


def test_rows_come_first():
    assert token_grid(torch.zeros(1, 3, 42, 28), 14) == (3, 2)


@pytest.mark.parametrize("side, fix", [(64, 56), (10, 14)])
def test_fix_is_the_next_smaller_multiple(side, fix):
    with pytest.raises(ValueError, match=rf"{side}x28 .* side of 14 px; set crop_size={fix}$"):
        token_grid(torch.zeros(1, 3, side, 28), 14)
