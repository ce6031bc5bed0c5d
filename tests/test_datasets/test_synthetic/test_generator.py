import cv2
import numpy as np
import pytest
import torch

from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.synthetic import HandGenerator, SceneLimits, TrackSpec
from handvit.datasets.synthetic.appearance import Lighting
from handvit.datasets.synthetic.props import wrist_loop
from handvit.geometry.camera import project
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models import ManoLayer


@pytest.fixture(scope="module")
def samples(generator):
    specs = [TrackSpec(f"track{i}", (3, i), 3) for i in range(6)]
    return list(generator.generate(specs))


def _mesh_of_labels(sample):
    layer = ManoLayer(is_right=sample.is_right).double()
    mesh = layer(
        axis_angle_to_matrix(torch.from_numpy(sample.global_orient)),
        axis_angle_to_matrix(torch.from_numpy(sample.hand_pose).view(15, 3)),
        torch.from_numpy(sample.betas),
    )
    root = torch.from_numpy(sample.mano_root_cam)
    return mesh.keypoints_rel + root, mesh.vertices_rel + root, layer.faces


def test_samples_keep_the_contract(samples):
    for sample in samples:
        sample.validate()
        assert sample.camera_valid and sample.mano_valid
        assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
        assert decode_image(sample.image, sample.image_size).shape == (96, 96, 3)
    assert [sample.frame_time for sample in samples[:3]] == [0, 1 / 30, 2 / 30]
    assert samples[0].sample_id.startswith("synthetic/track0/cam0/000000/")
    assert len({sample.track for sample in samples}) == 6
    assert {sample.is_right for sample in samples} == {True, False}


def test_mano_labels_reproduce_the_keypoints(samples):
    for sample in samples:
        keypoints, _, _ = _mesh_of_labels(sample)
        np.testing.assert_allclose(keypoints.numpy(), sample.keypoints_cam, atol=1e-5)


def test_keypoints_project_to_their_pixels(samples):
    for sample in samples:
        keypoints_img = project(
            torch.from_numpy(sample.keypoints_cam),
            torch.from_numpy(sample.focal),
            torch.from_numpy(sample.princpt),
        )
        np.testing.assert_allclose(keypoints_img.numpy(), sample.keypoints_img, atol=0.01)
        assert (sample.keypoints_img >= sample.bbox_xyxy[:2] - 1e-3).all()
        assert (sample.keypoints_img <= sample.bbox_xyxy[2:] + 1e-3).all()


def _picture(generator, spec, take, look):
    """Film a track in another look, with the random numbers of the first time."""
    fresh = generator.draw([spec])[0].rng
    sample = next(generator.film(take._replace(look=look, rng=fresh)))
    return sample, decode_image(sample.image, sample.image_size).astype(int)


def _plain(look):
    """Light a hand from everywhere, and keep its arm straight and its picture sharp."""
    lighting = Lighting(torch.ones(3), look.lighting.directions, 0 * look.lighting.colors)
    return look._replace(
        lighting=lighting,
        sleeve=torch.full((3,), 0.3),
        wrist_bend=torch.zeros(3),
        gloss=0.0,
        blur=0.0,
        noise=0.0,
    )


def _silhouette(outline, faces, size):
    """Fill projected triangles, at eight times the resolution, (size, size) bool."""
    mask = np.zeros((8 * size, 8 * size), np.uint8)
    for corners in np.round((outline[faces] + 0.5) * 8 - 0.5).astype(np.int32):
        cv2.fillConvexPoly(mask, corners, 1)
    return mask.reshape(size, 8, size, 8).mean((1, 3)) > 0.5


def test_labels_lie_on_the_picture():
    """What changes when only the hand's skin turns black is where the labelled mesh projects."""
    generator = HandGenerator(SceneLimits(occluder_fraction=0.0), image_size=160)
    loop = wrist_loop(ManoLayer().asset.faces)
    bright, dark = torch.full((2, 778, 3), 0.6)
    dark[:] = 0
    dark[loop] = bright[loop]  # and with it the forearm
    for number in range(8):
        spec = TrackSpec("track", (4, number), 1)
        take = generator.draw([spec])[0]
        look = _plain(take.look)
        sample, picture = _picture(generator, spec, take, look._replace(skin=bright))
        _, other = _picture(generator, spec, take, look._replace(skin=dark))
        changed = abs(picture - other).sum(-1) > 120

        _, vertices, faces = _mesh_of_labels(sample)
        focal, princpt = torch.from_numpy(sample.focal), torch.from_numpy(sample.princpt)
        outline = project(vertices, focal, princpt).numpy()
        at_wrist = np.isin(faces.numpy(), loop).any(1)
        elsewhere = ~_silhouette(outline, faces.numpy()[at_wrist], 160)
        hand = _silhouette(outline, faces.numpy()[~at_wrist], 160) & elsewhere
        changed &= elsewhere
        assert (changed & hand).sum() / (changed | hand).sum() > 0.95


def test_occluders_cover_only_a_part(generator):
    occluded = HandGenerator(SceneLimits(occluder_fraction=1.0), image_size=96)
    covered = []
    for number in range(12):
        spec = TrackSpec("track", (5, number), 1)
        take = occluded.draw([spec])[0]
        assert take.occluder is not None
        sample, with_it = _picture(occluded, spec, take, take.look._replace(noise=0.0))
        assert sample.extra["has_occluder"]
        without = take._replace(occluder=None)
        _, without_it = _picture(occluded, spec, without, take.look._replace(noise=0.0))
        x0, y0, x1, y1 = sample.bbox_xyxy.round().astype(int).clip(0, 96)
        changed = abs(with_it - without_it).sum(-1)[y0:y1, x0:x1] > 30
        covered.append(changed.mean())
    assert max(covered) < 0.6 and np.mean(covered) > 0.03


def test_limits_reach_the_samples(generator):
    assert 5 <= sum(take.occluder is not None for take in generator.draw(_specs(60))) <= 27
    near = HandGenerator(SceneLimits(depth=(0.4, 0.5), focal=(500, 500)), image_size=64)
    for take in near.draw(_specs(10)):
        assert 0.4 <= take.hand.root_cam[0, 2] <= 0.5
        np.testing.assert_allclose(take.camera.focal, 500)


def _specs(count):
    return [TrackSpec("track", (6, number), 1) for number in range(count)]


def test_motion_is_that_of_a_hand(sequences):
    """Speeds and accelerations of all keypoints stay those of quick hands, in m/s and m/s^2."""
    for take in sequences:
        keypoints = take.hand.keypoints_cam.numpy()  # (60, 21, 3)
        velocity = np.diff(keypoints, axis=0) * 30
        acceleration = np.diff(velocity, axis=0) * 30
        assert np.linalg.norm(velocity, axis=-1).max() < 2.5
        assert np.linalg.norm(acceleration, axis=-1).max() < 30
        assert np.linalg.norm(np.ptp(keypoints - keypoints[:, :1], axis=0), axis=-1).max() > 0.02


def test_a_track_depends_on_its_own_seed_only(generator):
    specs = _specs(3)
    together = [sample.image for sample in generator.generate(specs)]
    assert [sample.image for sample in generator.generate(specs)] == together
    assert len(set(together)) == 3
    alone = next(generator.generate(specs[2:]))
    assert alone.image == together[2]
