from typing import NamedTuple

import pytest
from torch.nn.utils import clip_grad_norm_

from handvit.engine.preflight.builders import Arguments, arguments_of, find_builder, known_names


class Base:
    def __init__(self, first, *, second=2):
        pass


class Passing(Base):
    def __init__(self, *, third, **settings):
        super().__init__(**settings)


class Closed(Base):
    def __init__(self, *, fourth=4):
        super().__init__(fourth)


class Inheriting(Closed):
    pass


class Open:
    def __init__(self, **anything):
        pass


class Nothing:
    pass


class Pair(NamedTuple):
    left: int
    right: int = 0


@pytest.mark.parametrize(
    ("builder", "required", "optional", "takes_any"),
    [
        (Base, {"first"}, {"second"}, False),
        (Passing, {"first", "third"}, {"second"}, False),
        (Closed, set(), {"fourth"}, False),
        (Inheriting, set(), {"fourth"}, False),
        (Open, set(), set(), True),
        (Nothing, set(), set(), False),
        (Pair, {"left"}, {"right"}, False),
        (lambda clips: clips, {"clips"}, set(), False),
    ],
)
def test_arguments_follow_what_is_passed_on(builder, required, optional, takes_any):
    found = arguments_of(builder)
    assert found == Arguments(frozenset(required), frozenset(optional), takes_any)
    assert found.names == required | optional


def test_decorated_functions_have_the_arguments_of_what_they_wrap():
    assert "max_norm" in arguments_of(clip_grad_norm_).required


def test_classes_of_ours_of_mmengine_and_of_torch_are_found():
    assert find_builder("HandPoseEstimator").__name__ == "HandPoseEstimator"
    assert find_builder("handvit.hand_collate").__name__ == "hand_collate"
    assert find_builder("AdamW").__name__ == "AdamW"
    assert find_builder("Nothing") is None
    assert {"HandMetric", "LoggerHook", "AdamW", "TokenCacheHook"} <= known_names()
