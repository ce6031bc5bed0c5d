import numpy as np
import pytest
import torch

from handvit.datasets.synthetic.props import (
    _box,
    _ellipsoid,
    forearm_albedo,
    forearm_faces,
    forearm_rings,
    sample_occluder,
    wrist_loop,
)
from handvit.geometry.rasterizer import vertex_normals
from handvit.hand_models.mano_assets import load_hand_asset


@pytest.fixture(scope="module")
def asset():
    return load_hand_asset("openhand")


def _edges(faces):
    return [(a, b) for f in faces.tolist() for a, b in zip(f, [*f[1:], f[0]], strict=True)]


def test_loop_is_the_wrist(asset):
    loop = wrist_loop(asset.faces)
    assert len(loop) == len(set(loop)) == 16
    assert asset.v_template[loop, 0].min() > 0.08  # fingers are at -x
    edges = set(_edges(asset.faces))
    for first, second in zip(loop, [*loop[1:], loop[0]], strict=True):
        assert (first, second) in edges and (second, first) not in edges


def test_forearm_closes_the_wrist(asset):
    """Every inner edge is used once in either direction; only the elbow's end stays open."""
    loop = wrist_loop(asset.faces)
    faces = np.concatenate([asset.faces, forearm_faces(loop, first_vertex=778)])
    edges = _edges(faces)
    known = set(edges)
    assert len(edges) == len(known)
    open_edges = [(a, b) for a, b in edges if (b, a) not in known]
    assert len(open_edges) == 16
    assert min(map(min, open_edges)) >= faces.max() - 15


@pytest.mark.parametrize("has_sleeve", [False, True])
def test_forearm_leaves_the_wrist(asset, has_sleeve):
    loop = torch.from_numpy(asset.v_template[wrist_loop(asset.faces)])
    rings = forearm_rings(loop, torch.zeros(3), has_sleeve).unflatten(0, (-1, 16))
    center = rings.mean(1)
    assert (center.diff(dim=0)[:, 0] > 0).all()
    torch.testing.assert_close(center[:, 1:], loop.mean(0)[1:].expand(len(center), 2))
    bent = forearm_rings(loop, torch.tensor([0.0, 0, 0.5]), has_sleeve).unflatten(0, (-1, 16))
    direction = torch.nn.functional.normalize(bent.mean(1).diff(dim=0)[-1], dim=0)
    expected = torch.tensor([np.cos(0.5), np.sin(0.5), 0]).float()
    torch.testing.assert_close(direction, expected, atol=1e-4, rtol=0)


def test_sleeve_begins_behind_the_wrist():
    skin, loop = torch.rand(778, 3), list(range(16))
    sleeve = torch.tensor([0.1, 0.2, 0.3])
    bare, sleeved = forearm_albedo(skin, loop, None), forearm_albedo(skin, loop, sleeve)
    assert bare.shape == sleeved.shape
    assert sleeved[:16].equal(skin[:16]) and bare[-16:].equal(skin[:16])
    assert (sleeved[16:] == sleeve).all()


@pytest.mark.parametrize("build", [_box, _ellipsoid])
def test_shapes_face_outwards(build):
    vertices, faces = build()
    corners = vertices[faces]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = (normal * corners.mean(1)).sum(-1)
    assert (outward >= -1e-12).all() and (outward > 1e-3).sum() >= 12
    assert (vertices.abs().amax(0) - 1).abs().max() < 0.06


def test_box_has_sharp_edges():
    vertices, faces = _box()
    assert vertices.shape == (24, 3) and faces.shape == (12, 3)
    normals = vertex_normals(vertices, faces)
    torch.testing.assert_close(normals.abs().amax(-1), torch.ones(24).double())


def test_occluders_are_in_front_and_small():
    rng = np.random.default_rng(0)
    way = torch.tensor([0.1, 0.0, 0.5]) + 0.02 * torch.arange(6.0)[:, None, None]
    keypoints = 0.05 * torch.randn(21, 3) + way
    still = 0
    for _ in range(60):
        occluder = sample_occluder(rng, keypoints)
        center = occluder.vertices_cam.mean(1)
        is_nearer = center[:, 2] < keypoints[..., 2].amax(1)
        is_still = bool((center == center[0]).all())
        assert is_nearer.any() if is_still else is_nearer.all()
        assert (occluder.vertices_cam[..., 2] > 0.05).all()
        extent = (occluder.vertices_cam - center[:, None]).norm(dim=-1).amax()
        assert extent < 0.06
        assert occluder.albedo.min() > 0 and occluder.albedo.max() < 1
        still += is_still
    assert 15 < still < 45
