import math

import pytest
import torch

from handvit.models.layers import sincos_position_encoding


def test_hand_computed_value():
    """With D = 4 there is one frequency: (sin, cos) of the row, then of the column."""
    code = sincos_position_encoding((2, 1), 4)
    quarter = math.pi / 4  # rows lie at -1/2 and 1/2 of the half crop, times pi / 2
    wanted = [
        [-math.sin(quarter), math.cos(quarter), 0.0, 1.0],
        [math.sin(quarter), math.cos(quarter), 0.0, 1.0],
    ]
    torch.testing.assert_close(code, torch.tensor(wanted))


def test_raster_order():
    code = sincos_position_encoding((3, 5), 16).unflatten(0, (3, 5))
    row_code, column_code = code.chunk(2, -1)
    assert torch.equal(row_code, row_code[:, :1].expand_as(row_code))
    assert torch.equal(column_code, column_code[:1].expand_as(column_code))


def test_every_place_has_its_own_code():
    code = sincos_position_encoding((7, 9), 32)
    assert code.shape == (63, 32)
    distance = torch.cdist(code, code) + torch.eye(63)
    assert distance.min() > 0.1


def test_a_place_keeps_its_code_on_a_finer_grid():
    """The middle cell of 3 x 3 and of 9 x 9 cells is the same place of the crop."""
    coarse = sincos_position_encoding((3, 3), 16)[4]
    fine = sincos_position_encoding((9, 9), 16)[40]
    torch.testing.assert_close(coarse, fine)


def test_width_must_be_divisible_by_four():
    with pytest.raises(ValueError, match="width 30 is not divisible by 4"):
        sincos_position_encoding((2, 2), 30)
