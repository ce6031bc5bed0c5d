import pytest
from torch import nn

from handvit.models.freezing import find_modules


@pytest.fixture
def model() -> nn.Module:
    backbone = nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(2, 2) for _ in range(12))})
    return nn.ModuleDict({"backbone": backbone, "neck": nn.Identity(), "head": nn.Linear(2, 2)})


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        (["head"], ["head"]),
        (["neck"], ["neck"]),
        (["head", "backbone"], ["backbone", "head"]),
        (["backbone.layers.[0-2]"], [f"backbone.layers.{n}" for n in range(3)]),
        (["backbone.layers.1?"], ["backbone.layers.10", "backbone.layers.11"]),
        (["backbone.layers.1", "backbone"], ["backbone"]),
        (["*"], ["backbone", "neck", "head"]),
    ],
)
def test_the_outermost_modules_that_match_are_found_in_order(model, patterns, expected):
    assert find_modules(model, patterns, key="frozen") == expected


def test_a_name_is_not_the_beginning_of_a_longer_one(model):
    assert find_modules(model, ["backbone.layers.1"], key="frozen") == ["backbone.layers.1"]


def test_what_matches_nothing_is_named_with_what_comes_close(model):
    with pytest.raises(ValueError, match=r"frozen: the model has no part 'bakbone'.*backbone"):
        find_modules(model, ["bakbone"], key="frozen")
    with pytest.raises(ValueError, match=r"no part 'xyz'.*backbone, neck, head"):
        find_modules(model, ["xyz"], key="frozen")
