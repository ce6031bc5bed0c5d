import pytest
import torch

from handvit.models.necks.ray_features import ray_features


def test_rays_by_hand(make_crops):
    """A 64 px crop: cell (row 0, column 7) is centred at pixel (59.5, 3.5)."""
    crops = make_crops(1)
    focal, princpt = torch.tensor([[[56.0, 28.0]]]), torch.tensor([[[31.5, 31.5]]])
    features = ray_features(crops._replace(focal_crop=focal, princpt_crop=princpt))
    assert features.shape == (1, 1, 64, 4)
    x, y = (59.5 - 31.5) / 56, (3.5 - 31.5) / 28  # 0.5, -1
    length = (x**2 + y**2 + 1) ** 0.5
    wanted = torch.tensor([x / length, y / length, 0.875, -0.875])
    torch.testing.assert_close(features[0, 0, 7], wanted)


@pytest.mark.parametrize(
    ("scale", "shift"), [(1.7, [0.0, 0.0]), (1.0, [40.0, -25.0]), (0.4, [-7.5, 300.0])]
)
def test_same_rays_in_other_numbers(make_crops, seen_from, scale, shift):
    crops = seen_from(make_crops(2, 3), 1.0, torch.zeros(2))
    other = seen_from(crops, scale, torch.tensor(shift, dtype=torch.float64))
    assert not torch.allclose(other.labels.princpt, crops.labels.princpt)
    torch.testing.assert_close(ray_features(other), ray_features(crops), rtol=0, atol=1e-12)


def test_other_rays_give_other_features(make_crops, zoomed):
    crops = make_crops()
    moved = crops._replace(princpt_crop=crops.princpt_crop + 20)
    for other in (moved, zoomed(crops, 1.5)):
        difference = (ray_features(other) - ray_features(crops)).abs()
        assert difference[..., :2].max() > 0.01
        assert difference[..., 2:].max() == 0


def test_every_frame_has_its_own_rays(make_crops):
    crops = make_crops(2, 3)
    assert torch.equal(ray_features(crops)[:, -1:], ray_features(crops.last_frame()))


def test_autocast_keeps_the_rays_exact(make_crops):
    crops = make_crops()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = ray_features(crops)
    assert torch.equal(features, ray_features(crops))
