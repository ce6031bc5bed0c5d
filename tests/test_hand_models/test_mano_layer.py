import copy

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.geometry.rotation import axis_angle_to_matrix, mirror_rotation
from handvit.hand_models import ManoLayer
from handvit.hand_models.mano_assets import HandAsset
from handvit.registry import MODELS
from handvit.structures.skeleton import FINGER_NAMES, FINGERTIP_VERTICES, KEYPOINT_NAMES

#: MANO's fingers in the order of their joints, three joints each.
MANO_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
FLIP = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)


@pytest.fixture(scope="module", params=[True, False], ids=["right", "left"])
def layer(request) -> ManoLayer:
    return ManoLayer(is_right=request.param).double()


@pytest.fixture(scope="module")
def right() -> ManoLayer:
    return ManoLayer().double()


def random_inputs(*leading: int, scale: float = 0.5) -> tuple[torch.Tensor, ...]:
    pose = axis_angle_to_matrix(scale * torch.randn(*leading, 16, 3, dtype=torch.float64))
    betas = torch.randn(*leading, 10, dtype=torch.float64)
    return pose[..., 0, :, :], pose[..., 1:, :, :], betas


def flat_hand() -> tuple[torch.Tensor, ...]:
    identity = torch.eye(3, dtype=torch.float64)
    return identity, identity.expand(15, 3, 3), torch.zeros(10, dtype=torch.float64)


def skin_one_hand(asset: HandAsset, pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, ...]:
    """Skin one hand vertex by vertex in float64: (16, 3) joints and (778, 3) vertices."""
    rest = asset.v_template.astype(np.float64) + asset.shapedirs.astype(np.float64) @ betas
    joints = asset.j_regressor.astype(np.float64) @ rest
    feature = np.concatenate([(rotation - np.eye(3)).ravel() for rotation in pose[1:]])
    rest = rest + asset.posedirs.astype(np.float64) @ feature
    transforms, posed_joints = [], []
    for joint, parent in enumerate(asset.parents):
        local = np.eye(4)
        local[:3, :3] = pose[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        transforms.append(local if parent < 0 else transforms[parent] @ local)
        posed_joints.append(transforms[joint][:3, 3])
    vertices = np.zeros((778, 3))
    for vertex in range(778):
        for joint in range(16):
            weight = float(asset.weights[vertex, joint])
            moved = transforms[joint] @ np.append(rest[vertex] - joints[joint], 1)
            vertices[vertex] += weight * moved[:3]
    return np.array(posed_joints), vertices


def canonical_keypoints(joints: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Arrange joints and tips by name rather than by a permutation table."""
    named = {"wrist": joints[0]}
    for finger_index, finger in enumerate(MANO_FINGERS):
        for joint in range(3):
            named[f"{finger}{joint + 1}"] = joints[1 + 3 * finger_index + joint]
    for finger, vertex in zip(FINGER_NAMES, FINGERTIP_VERTICES["smplx"], strict=True):
        named[f"{finger}4"] = vertices[vertex]
    return np.array([named[name] for name in KEYPOINT_NAMES])


def test_agrees_with_an_independent_skinning(layer):
    global_orient, hand_pose, betas = random_inputs(2)
    mesh = layer(global_orient, hand_pose, betas)
    for index in range(2):
        pose = torch.cat([global_orient[index, None], hand_pose[index]]).numpy()
        joints, vertices = skin_one_hand(layer.asset, pose, betas[index].numpy())
        keypoints = canonical_keypoints(joints, vertices)
        np.testing.assert_allclose(
            mesh.vertices_rel[index].numpy(), vertices - joints[0], rtol=0, atol=1e-10
        )
        np.testing.assert_allclose(
            mesh.keypoints_rel[index].numpy(), keypoints - joints[0], rtol=0, atol=1e-10
        )


def test_flat_hand_is_the_template(layer):
    template = torch.from_numpy(layer.asset.v_template).double()
    wrist = torch.from_numpy(layer.asset.j_regressor[0]).double() @ template
    torch.testing.assert_close(layer(*flat_hand()).vertices_rel, template - wrist)


@pytest.mark.parametrize("leading", [(), (1,), (2, 3), (2, 1, 2)])
def test_any_leading_dims(layer, leading):
    global_orient, hand_pose, betas = random_inputs(*leading)
    mesh = layer(global_orient, hand_pose, betas)
    assert mesh.keypoints_rel.shape == (*leading, 21, 3)
    assert mesh.vertices_rel.shape == (*leading, 778, 3)
    flat = layer(
        global_orient.reshape(-1, 3, 3), hand_pose.reshape(-1, 15, 3, 3), betas.reshape(-1, 10)
    )
    torch.testing.assert_close(mesh.vertices_rel.reshape(-1, 778, 3), flat.vertices_rel)


def test_wrist_is_exactly_the_origin(layer):
    assert (layer(*random_inputs(5)).keypoints_rel[:, 0] == 0).all()
    assert (ManoLayer()(*random_inputs(5)).keypoints_rel[:, 0] == 0).all()


def test_left_mirrors_right(right):
    left = ManoLayer(is_right=False).double()
    global_orient, hand_pose, betas = random_inputs(4)
    mesh = right(global_orient, hand_pose, betas)
    mirrored = left(mirror_rotation(global_orient), mirror_rotation(hand_pose), betas)
    torch.testing.assert_close(mirrored.keypoints_rel, mesh.keypoints_rel * FLIP)
    torch.testing.assert_close(mirrored.vertices_rel, mesh.vertices_rel * FLIP)
    unmirrored = left(global_orient, hand_pose, betas)
    assert (unmirrored.keypoints_rel - mesh.keypoints_rel * FLIP).norm(dim=-1).max() > 0.01


def test_fingers_are_where_their_names_say(right):
    """Right hand: fingers to -x, thumb side +z; each keypoint farther out than the one before."""
    keypoints = dict(zip(KEYPOINT_NAMES, right(*flat_hand()).keypoints_rel, strict=True))
    for finger in FINGER_NAMES:
        distances = [float(keypoints[f"{finger}{i}"].norm()) for i in (1, 2, 3, 4)]
        assert distances == sorted(distances)
    across = [float(keypoints[f"{finger}4"][2]) for finger in FINGER_NAMES]
    assert across == sorted(across, reverse=True)
    lengths = {finger: float(keypoints[f"{finger}4"].norm()) for finger in FINGER_NAMES}
    assert max(lengths, key=lengths.get) == "middle"
    assert min(lengths, key=lengths.get) == "thumb"
    assert keypoints["thumb4"][1] < -0.03  # the thumb sits on the palm's side


@pytest.mark.parametrize("finger", FINGER_NAMES)
def test_bending_a_finger_moves_that_finger(right, finger):
    global_orient, hand_pose, betas = flat_hand()
    bent = hand_pose.clone()
    first_joint = 3 * MANO_FINGERS.index(finger)
    bent[first_joint] = torch.from_numpy(Rotation.from_euler("z", 45, degrees=True).as_matrix())
    moved = right(global_orient, bent, betas).keypoints_rel
    distance = (moved - right(*flat_hand()).keypoints_rel).norm(dim=-1)
    for name, value in zip(KEYPOINT_NAMES, distance.tolist(), strict=True):
        if name.startswith(finger) and not name.endswith("1"):
            assert value > 0.01, name
        else:
            assert value < 0.003, name
    if finger != "thumb":
        tip = KEYPOINT_NAMES.index(f"{finger}4")
        assert moved[tip, 1] < -0.02  # a positive turn about z bends towards the palm


def test_global_orient_turns_the_hand_about_the_wrist(layer):
    global_orient, hand_pose, betas = random_inputs(3)
    turn = axis_angle_to_matrix(torch.randn(3, 3, dtype=torch.float64))
    mesh, turned = (
        layer(global_orient, hand_pose, betas),
        layer(turn @ global_orient, hand_pose, betas),
    )
    torch.testing.assert_close(turned.vertices_rel, mesh.vertices_rel @ turn.mT)
    torch.testing.assert_close(turned.keypoints_rel, mesh.keypoints_rel @ turn.mT)


def test_nothing_to_train_or_to_save(layer):
    assert layer.state_dict() == {}
    assert list(layer.parameters()) == []


def test_registered_and_copied(right):
    built = MODELS.build(dict(type="ManoLayer", source="openhand", fingertips="smplx")).double()
    inputs = random_inputs(2)
    expected = right(*inputs).vertices_rel
    assert torch.equal(built(*inputs).vertices_rel, expected)
    assert torch.equal(copy.deepcopy(built)(*inputs).vertices_rel, expected)


def test_construction_prints_nothing(capsys):
    ManoLayer()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fingertips", list(FINGERTIP_VERTICES))
def test_fingertip_sets(right, fingertips):
    mesh = ManoLayer(fingertips=fingertips).double()(*flat_hand())
    tips = mesh.keypoints_rel[4::4]
    expected = mesh.vertices_rel[list(FINGERTIP_VERTICES[fingertips])]
    torch.testing.assert_close(tips, expected)
    others = [index for index in range(21) if index == 0 or index % 4]
    torch.testing.assert_close(
        mesh.keypoints_rel[others], right(*flat_hand()).keypoints_rel[others]
    )


def test_unknown_fingertips_are_refused():
    with pytest.raises(ValueError, match="fingertips: 'mano' is unknown"):
        ManoLayer(fingertips="mano")


def test_float32_is_close_to_float64(right):
    inputs = random_inputs(8)
    single = ManoLayer()(*inputs)
    assert single.vertices_rel.dtype == torch.float32
    torch.testing.assert_close(
        single.vertices_rel.double(), right(*inputs).vertices_rel, rtol=0, atol=1e-6
    )


def test_autocast_changes_nothing():
    layer = ManoLayer()
    inputs = [tensor.float() for tensor in random_inputs(4)]
    expected = layer(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mesh = layer(*inputs)
    assert torch.equal(mesh.vertices_rel, expected.vertices_rel)
    assert torch.equal(mesh.keypoints_rel, expected.keypoints_rel)


def test_gradients(layer):
    axis_angle = (0.5 * torch.randn(16, 3, dtype=torch.float64)).requires_grad_()
    betas = torch.randn(10, dtype=torch.float64, requires_grad=True)

    def keypoints(axis_angle: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
        matrix = axis_angle_to_matrix(axis_angle)
        return layer(matrix[0], matrix[1:], betas).keypoints_rel

    assert torch.autograd.gradcheck(keypoints, (axis_angle, betas), fast_mode=True)


def test_gradients_are_finite_on_the_flat_hand(layer):
    axis_angle = torch.zeros(16, 3, dtype=torch.float64, requires_grad=True)
    matrix = axis_angle_to_matrix(axis_angle)
    mesh = layer(matrix[0], matrix[1:], torch.zeros(10, dtype=torch.float64))
    (mesh.vertices_rel.square().sum() + mesh.keypoints_rel.sum()).backward()
    assert axis_angle.grad.isfinite().all() and axis_angle.grad.abs().sum() > 0
