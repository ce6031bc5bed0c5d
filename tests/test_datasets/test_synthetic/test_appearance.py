import numpy as np
import pytest
import torch

from handvit.datasets.synthetic.appearance import sample_look
from handvit.datasets.synthetic.hand_paint import hand_paint
from handvit.hand_models.mano_assets import load_hand_asset


@pytest.fixture(scope="module")
def looks():
    rng, paint = np.random.default_rng(0), hand_paint(load_hand_asset("openhand"))
    return [sample_look(rng, paint) for _ in range(200)]


def test_skin(looks):
    skin = torch.stack([look.skin for look in looks])  # (200, 778, 3)
    assert skin.shape[1:] == (778, 3) and skin.min() > 0 and skin.max() <= 1
    mean = skin.mean(1)
    assert (mean[:, 0] > mean[:, 1]).all() and (mean[:, 1] > mean[:, 2] * 0.95).all()  # warm tones
    assert mean.mean(1).min() < 0.12 and mean.mean(1).max() > 0.45  # dark to light


def test_light_comes_from_the_camera_s_side(looks):
    for look in looks:
        directions = look.lighting.directions
        assert directions.shape == look.lighting.colors.shape
        assert len(directions) in (1, 2)
        torch.testing.assert_close(directions.norm(dim=1), torch.ones(len(directions)))
        assert (directions[:, 2] < 0).all()
        assert (look.lighting.colors > 0).all() and (look.lighting.ambient > 0).all()


def test_exposure_is_sane(looks):
    total = torch.stack([look.lighting.ambient + look.lighting.colors.sum(0) for look in looks])
    assert total.mean(1).min() > 0.5 and total.mean(1).max() < 1.5


def test_arms_are_bare_or_in_sleeves(looks):
    bare = np.mean([look.sleeve is None for look in looks])
    assert 0.35 < bare < 0.65


def test_camera_faults_are_mild(looks):
    assert min(look.blur for look in looks) >= 0 and max(look.blur for look in looks) < 1
    assert min(look.noise for look in looks) >= 0 and max(look.noise for look in looks) <= 5
