"""Five hands, five kinds of label: which term trains what of each."""

from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from handvit.geometry.camera import unit_rays
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models.mano_layer import ManoLayer
from handvit.models.losses.routing import HoldDepth, HoldDistance, root_valid
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget, ManoParams

KINDS = ("real camera", "guessed camera", "2D only", "2D only, guessed camera", "no label")
HAS_REAL_CAMERA = torch.tensor([True, False, True, False, False])[:, None]
HAS_3D = torch.tensor([True, True, False, False, False])[:, None]
HAS_2D = torch.tensor([True, True, True, True, False])[:, None]
GARBAGE = torch.tensor([0.0, 0.0, 1e30, torch.nan, torch.inf])[:, None]
NOBODY = torch.zeros(5, 1, dtype=torch.bool)

POINTS = [
    dict(type="L1Distance"),
    dict(type="L2Distance"),
    dict(type="SmoothL1Distance", beta=0.01),
    dict(type="RobustL1Distance", delta=0.05),
]
ROTATIONS = [
    dict(type="GeodesicDistance"),
    dict(type="AxisAngleDistance"),
    dict(type="RotationMatrixDistance"),
]
TERMS = [
    *(dict(type="Keypoint3DLoss", distance=distance) for distance in POINTS),
    *(dict(type="Vertex3DLoss", distance=distance) for distance in POINTS),
    *(dict(type="RootLoss", distance=distance) for distance in POINTS),
    *(dict(type="ReprojectionLoss", distance=distance) for distance in POINTS),
    *(
        dict(type="ReprojectionLoss", hold=dict(type=name))
        for name in ("HoldDistance", "HoldDepth")
    ),
    *(dict(type="ManoShapeLoss", distance=distance) for distance in POINTS),
    *(dict(type="ManoPoseLoss", distance=distance) for distance in ROTATIONS),
    *(dict(type="Axis3DLoss", distance=distance) for distance in ROTATIONS),
]


hand_model = cache(ManoLayer)


class Output(NamedTuple):
    """What a network says, before the hand model: leaves of the graph."""

    global_orient: Tensor  # (5, 1, 3) rad
    hand_pose: Tensor  # (5, 1, 15, 3) rad
    betas: Tensor  # (5, 1, 10)
    root_cam: Tensor  # (5, 1, 3) metres


@pytest.fixture
def output() -> Output:
    """Hands half a metre away and clearly off the optical axis."""
    generator = torch.Generator().manual_seed(0)
    shapes = Output((5, 1, 3), (5, 1, 15, 3), (5, 1, 10), (5, 1, 3))
    normal = Output(*(0.3 * torch.randn(shape, generator=generator) for shape in shapes))
    root_cam = torch.tensor([0.2, -0.1, 0.5]) + 0.1 * normal.root_cam
    return Output(*(x.requires_grad_() for x in normal._replace(root_cam=root_cam)))


@pytest.fixture
def mixed(make_crops, relabel) -> HandTarget:
    """One hand of each kind; what has no label is zero."""
    return mixed_target(make_crops, relabel, garbage=0 * HAS_2D)


def mixed_target(make_crops, relabel, *, garbage: Tensor) -> HandTarget:
    crops = make_crops(5)
    labels = crops.labels
    mano = ManoParams(*(keep(field, HAS_3D, garbage) for field in labels.mano))
    pixels = keep(crops.keypoints_crop, HAS_2D, garbage)
    mesh = hand_model()(mano.global_orient, mano.hand_pose, mano.betas)
    return relabel(
        HandTarget(crops._replace(keypoints_crop=pixels), mesh.vertices_rel),
        camera_valid=HAS_REAL_CAMERA,
        keypoints_cam=keep(labels.keypoints_cam, HAS_3D, garbage),
        keypoints_cam_valid=HAS_3D[..., None].expand(5, 1, 21),
        keypoints_img_valid=HAS_2D[..., None].expand(5, 1, 21),
        mano=mano,
        mano_valid=HAS_3D,
    )


def keep(values: Tensor, valid: Tensor, garbage: Tensor) -> Tensor:
    """Replace the values of hands without a label."""
    rest = [1] * (values.ndim - 2)
    return torch.where(valid.reshape(5, 1, *rest), values, garbage.reshape(5, 1, *rest))


def predict(output: Output) -> HandPrediction:
    rotations = [
        axis_angle_to_matrix(vector) for vector in (output.global_orient, output.hand_pose)
    ]
    mano = ManoParams(*rotations, output.betas, output.root_cam)
    mesh = hand_model()(mano.global_orient, mano.hand_pose, mano.betas)
    place = mano.root_cam[..., None, :]
    return HandPrediction(
        mano=mano,
        keypoints_cam=mesh.keypoints_rel + place,
        vertices_cam=mesh.vertices_rel + place,
        root=output,
        pose=torch.cat([rotations[0][..., None, :, :], rotations[1]], -3),
    )


def run(cfg: dict, output: Output, target: HandTarget) -> tuple[Tensor, Output]:
    """Return the value of a term and its gradient by what the network said."""
    value = MODELS.build({**cfg, "weight": 1.0})(predict(output), target)
    gradient = torch.autograd.grad(value, output, allow_unused=True, materialize_grads=True)
    return value, Output(*gradient)


def moves(gradient: Tensor) -> list[bool]:
    """Say which of the hands have a gradient that is more than rounding."""
    return (gradient.flatten(1).abs().amax(-1) > 1e-5).tolist()


def along_ray(gradient: Tensor, root_cam: Tensor) -> Tensor:
    """Return the part (5, 1) of a gradient by the root that moves it away from the camera."""
    return (gradient * torch.nn.functional.normalize(root_cam, dim=-1)).sum(-1)


def test_root_is_known_with_a_real_camera_and_a_label(mixed):
    known = dict(zip(KINDS, root_valid(mixed.crops.labels)[:, 0].tolist(), strict=True))
    assert [kind for kind in KINDS if known[kind]] == ["real camera"]


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("Keypoint3DLoss", {"global_orient", "hand_pose", "betas"}),
        ("Vertex3DLoss", {"global_orient", "hand_pose", "betas"}),
        ("Axis3DLoss", {"global_orient"}),
        ("ManoPoseLoss", {"hand_pose"}),
        ("ManoShapeLoss", {"betas"}),
    ],
)
def test_relative_terms_train_hands_with_3d_labels_and_never_the_root(name, trained, output, mixed):
    gradient = run(dict(type=name), output, mixed)[1]
    for field in Output._fields:
        wanted = HAS_3D[:, 0].tolist() if field in trained else [False] * 5
        assert moves(getattr(gradient, field)) == wanted, field


def test_root_loss_trains_the_place_of_real_cameras_only(output, mixed):
    gradient = run(dict(type="RootLoss"), output, mixed)[1]
    assert moves(gradient.root_cam) == [True, False, False, False, False]
    assert gradient.root_cam[0].all()
    for field in ("global_orient", "hand_pose", "betas"):
        assert not getattr(gradient, field).any()


def test_pixels_train_pose_and_shape_of_every_hand_that_has_them(output, mixed):
    gradient = run(dict(type="ReprojectionLoss"), output, mixed)[1]
    for field in Output._fields:
        assert moves(getattr(gradient, field)) == HAS_2D[:, 0].tolist(), field


def test_pixels_train_the_distance_of_real_cameras_only(output, mixed):
    gradient = run(dict(type="ReprojectionLoss"), output, mixed)[1].root_cam
    away = along_ray(gradient, output.root_cam).abs() / gradient.norm(dim=-1).clamp_min(1e-9)
    assert away[0] > 1e-2
    assert (away[1:] < 1e-5).all()


def test_pixels_leave_z_alone_where_the_depth_is_held(output, mixed):
    cfg = dict(type="ReprojectionLoss", hold=dict(type="HoldDepth"))
    gradient = run(cfg, output, mixed)[1].root_cam
    away = gradient[..., 2].abs() / gradient.norm(dim=-1).clamp_min(1e-9)
    assert away[0] > 1e-2
    assert (away[1:] < 1e-5).all()
    assert moves(gradient[..., :2]) == HAS_2D[:, 0].tolist()


def test_holding_changes_nothing_but_the_gradient_of_unknown_roots(output, mixed, relabel):
    everywhere = relabel(
        mixed,
        camera_valid=~NOBODY,
        keypoints_cam_valid=torch.ones(5, 1, 21, dtype=torch.bool),
    )
    value, gradient = run(dict(type="ReprojectionLoss"), output, mixed)
    plain_value, plain = run(dict(type="ReprojectionLoss"), output, everywhere)
    assert value == plain_value
    assert torch.equal(gradient.root_cam[0], plain.root_cam[0])
    assert not torch.allclose(gradient.root_cam[1:4], plain.root_cam[1:4])
    for field in ("global_orient", "hand_pose", "betas"):
        torch.testing.assert_close(getattr(gradient, field), getattr(plain, field))


@pytest.mark.parametrize("cfg", TERMS, ids=str)
def test_labels_without_meaning_change_nothing(cfg, output, mixed, make_crops, relabel):
    value, gradient = run(cfg, output, mixed)
    assert value > 0
    again = run(cfg, output, mixed_target(make_crops, relabel, garbage=GARBAGE))
    assert again[0] == value
    assert all(torch.equal(first, second) for first, second in zip(again[1], gradient, strict=True))


@pytest.mark.parametrize("cfg", TERMS, ids=str)
def test_no_label_at_all_gives_zero_and_no_gradient(cfg, output, make_crops, relabel):
    target = relabel(
        mixed_target(make_crops, relabel, garbage=GARBAGE),
        camera_valid=NOBODY,
        keypoints_cam_valid=NOBODY[..., None].expand(5, 1, 21),
        keypoints_img_valid=NOBODY[..., None].expand(5, 1, 21),
        mano_valid=NOBODY,
    )
    value, gradient = run(cfg, output, target)
    assert value == 0
    assert not any(field.any() for field in gradient)


@pytest.mark.parametrize("depth", [0.0, -0.5])
@pytest.mark.parametrize("hold", ["HoldDistance", "HoldDepth"])
def test_hands_behind_the_camera_stay_finite(hold, depth, output, mixed):
    root_cam = (output.root_cam.detach() * torch.tensor([1.0, 1.0, 0.0])).requires_grad_()
    behind = output._replace(root_cam=root_cam + torch.tensor([0.0, 0.0, depth]))
    cfg = dict(type="ReprojectionLoss", hold=dict(type=hold))
    value, gradient = run(cfg, behind, mixed)
    assert value.isfinite() and value > 0
    assert all(field.isfinite().all() for field in gradient)


@pytest.mark.parametrize("hold", [HoldDistance(), HoldDepth()])
@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_holding_keeps_the_value(hold, leading):
    root_cam = torch.randn(*leading, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(hold(root_cam), root_cam)
    assert torch.equal(hold(torch.zeros_like(root_cam)), torch.zeros_like(root_cam))


def test_held_distance_by_hand():
    """On the ray (3, 0, 4), a pull in x is taken as a pull across: (16, 0, -12) / 25 of it."""
    root_cam = torch.tensor([0.3, 0.0, 0.4], requires_grad=True)
    HoldDistance()(root_cam)[0].backward()
    torch.testing.assert_close(root_cam.grad, torch.tensor([0.64, 0.0, -0.48]))


def test_held_distance_reaches_the_pixel_of_a_head_but_not_its_distance():
    pixel = torch.tensor([[150.0, -40.0]], dtype=torch.float64, requires_grad=True)
    distance = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    focal, princpt = torch.tensor([[300.0, 310.0], [64.0, 60.0]], dtype=torch.float64)
    pull = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    root_cam = distance * unit_rays(pixel, focal, princpt)[0]
    plain = torch.autograd.grad((root_cam * pull).sum(), [pixel, distance], retain_graph=True)
    held = torch.autograd.grad((HoldDistance()(root_cam) * pull).sum(), [pixel, distance])
    torch.testing.assert_close(held[0], plain[0])
    assert plain[1].abs() > 0.1 and held[1].abs() < 1e-12


def test_held_depth_by_hand():
    root_cam = torch.tensor([0.3, 0.0, 0.4], requires_grad=True)
    HoldDepth()(root_cam).sum().backward()
    assert root_cam.grad.tolist() == [1, 1, 0]


def test_wrist_at_the_camera_has_a_finite_gradient():
    root_cam = torch.zeros(2, 3, requires_grad=True)
    HoldDistance()(root_cam).sum().backward()
    assert root_cam.grad.isfinite().all()
