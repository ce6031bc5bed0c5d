import numpy as np
import pytest

from handvit.datasets.converters.ho3d.fingertips import MAX_TIP_GAP, match_fingertips
from handvit.structures.skeleton import FINGERTIP_VERTICES

TIPS = [4, 8, 12, 16, 20]


@pytest.fixture(scope="module")
def hands(make_world):
    """Keypoints and vertices of three hands."""
    world = make_world(sides=("right",), world_is_camera=True)
    hands = [hands["right"] for hands in world.hands]
    return [np.stack([getattr(hand, name) for hand in hands]) for name in ("keypoints", "vertices")]


def match(hands, name: str, offsets_mm: tuple[float, ...]):
    """Match hands whose tips lie beside a set of vertices."""
    keypoints, vertices = hands[0].copy(), hands[1]
    keypoints[:, TIPS] = vertices[:, list(FINGERTIP_VERTICES[name])]
    keypoints[:, TIPS, 0] += np.array(offsets_mm)[:, None] / 1000
    return match_fingertips(keypoints, vertices)


@pytest.mark.parametrize("name", FINGERTIP_VERTICES)
def test_every_known_set_is_found(hands, name):
    found = match(hands, name, (0.9, 0.9, 0.9))
    assert found.name == found.nearest == name and found.num_hands == 3
    assert found.gap == pytest.approx(0.0009)
    assert f"are a known set of vertices: 0.9 mm from {name!r} (median of 3 hands)" in found.note


def test_the_nearest_set_may_be_another_one(hands):
    assert pytest.approx(0.001) == MAX_TIP_GAP
    found = match(hands, "honnotate", (1.1, 1.1, 1.1))
    assert (found.name, found.nearest) == (None, "honnotate")
    assert "Tips are no known set of vertices: the nearest is 1.1 mm from 'honn" in found.note


def test_single_hands_do_not_decide(hands):
    assert match(hands, "ho3d", (30.0, 0.2, 0.1)).gap == pytest.approx(0.0002)
    assert match(hands, "ho3d", (0.0, 2.0, 3.0)).name is None
