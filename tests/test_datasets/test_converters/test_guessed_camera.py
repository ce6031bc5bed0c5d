import numpy as np

from handvit.datasets.converters.guessed_camera import guessed_camera


def test_it_sees_about_53_degrees_along_the_longer_side_from_the_middle():
    focal, princpt = guessed_camera((640, 480))
    assert focal.tolist() == [640.0, 640.0] and princpt.tolist() == [319.5, 239.5]
    np.testing.assert_allclose(np.rad2deg(2 * np.arctan(320 / focal[0])), 53.13, atol=0.01)
    assert guessed_camera((480, 640))[0].tolist() == [640.0, 640.0]
