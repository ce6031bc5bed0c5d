import torch

from handvit.datasets.synthetic.appearance import Lighting
from handvit.datasets.synthetic.shading import Surface, self_shading, shade

FAR_HAND = torch.full((1, 21, 3), 5.0)  # throws no shadow here


def _light(*directions):
    directions = torch.nn.functional.normalize(torch.tensor(directions), dim=-1)
    return Lighting(torch.full((3,), 0.1), directions, torch.ones(len(directions), 3))


def _surface(normals, gloss=0.0):
    normals = torch.tensor(normals)[None]
    count = normals.shape[1]
    return Surface(
        torch.zeros(1, count, 3), normals, torch.full((count, 3), 0.5), torch.full((count,), gloss)
    )


def test_faces_towards_the_light_are_brighter():
    normals = [[0.0, 0, -1], [0.6, 0, -0.8], [1.0, 0, 0], [0.0, 0, 1]]
    color = shade(_surface(normals), FAR_HAND, _light([0.0, 0, -1]))[0]
    assert (color[:-1, 0].diff() < 0).all()
    torch.testing.assert_close(color[0], torch.full((3,), 0.5 * (1 + 0.1)))
    torch.testing.assert_close(color[3], torch.full((3,), 0.5 * 0.1))  # ambient only
    assert color[2, 0] > color[2, 2]  # the edge of the light is red


def test_two_lights_add_up():
    normals = [[0.0, 0, -1]]
    one, other = [0.0, -1, -1], [1.0, 0, -1]
    both = shade(_surface(normals), FAR_HAND, _light(one, other))
    apart = shade(_surface(normals), FAR_HAND, _light(one)) + shade(
        _surface(normals), FAR_HAND, _light(other)
    )
    torch.testing.assert_close(both, apart - 0.5 * 0.1)


def test_highlight_lies_between_light_and_camera():
    keypoints = torch.tensor([0.0, 0, 50]).expand(1, 21, 3)  # the camera is at -z
    normals = [[0.0, -0.3827, -0.9239], [0.0, 0, -1]]  # half of 45 degrees, and the camera
    matt = shade(_surface(normals), keypoints, _light([0.0, -1, -1]))
    glossy = shade(_surface(normals, gloss=0.2), keypoints, _light([0.0, -1, -1]))
    shine = (glossy - matt)[0, :, 0]
    assert abs(shine[0] - 0.2) < 1e-3 and shine[1] < 0.1


def test_shadow_falls_away_from_the_light():
    keypoints = torch.full((1, 21, 3), 5.0)
    keypoints[:, 4] = torch.tensor([0.0, 0, -0.03])  # only the thumb's tip is near: a ball of 8 mm
    vertices = torch.tensor([[[0.0, 0, 0], [0.03, 0, 0], [0, 0, -0.08]]])
    normals = torch.tensor([0.0, 0, -1]).expand(1, 3, 3)
    openness, sunlight = self_shading(vertices, normals, keypoints, torch.tensor([0.0, 0, -1]))
    assert sunlight[0, 0] < 0.05 and sunlight[0, 1] == 1 and sunlight[0, 2] == 1
    assert openness[0, 0] < openness[0, 1] - 0.01 < openness[0, 2] - 0.02
    assert openness[0, 2] > 0.999


def test_no_hand_no_shadow():
    vertices, normals = (
        torch.rand(2, 5, 3),
        torch.nn.functional.normalize(torch.randn(2, 5, 3), dim=-1),
    )
    openness, sunlight = self_shading(
        vertices, normals, torch.full((2, 21, 3), 50.0), torch.tensor([1.0, 0, 0])
    )
    torch.testing.assert_close(openness, torch.ones(2, 5), atol=1e-4, rtol=0)
    assert (sunlight == 1).all()
