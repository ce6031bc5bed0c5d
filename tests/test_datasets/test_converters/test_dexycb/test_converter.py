import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.view import (
    BAD_IMAGE,
    NO_IMAGE,
    OTHER_SIZE,
    CropView,
    FullFrameView,
)
from handvit.datasets.converters.dexycb.converter import (
    BAD_LABELS,
    IMPOSSIBLE,
    NO_HAND,
    NO_LABELS,
    DexYcbConverter,
    load_hands,
)
from handvit.datasets.converters.dexycb.splits import SERIALS, SUBJECTS
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import root_to_transl

# s0_val takes every fifth sequence of two subjects. Two of them are filmed here, by two cameras.
RIGHT = f"{SUBJECTS[0]}/20200709_141004"
LEFT = f"{SUBJECTS[1]}/20200813_141099"
NUM_FRAMES = 3
#: All other sequences of the split have one frame from each camera, and no files for it.
NUM_EMPTY = 38 * 8 + 2 * 6 * NUM_FRAMES


@pytest.fixture(scope="module")
def worlds(make_world):
    """Two recordings: the hands of a right- and of a left-handed grasp."""
    options = dict(num_frames=NUM_FRAMES, num_cameras=2, size=(640, 480), fingertips="manopth")
    return {
        name: make_world(sides=(side,), seed=seed, stock_left=True, **options)
        for name, side, seed in ((RIGHT, "right", 1), (LEFT, "left", 2))
    }


def raw_labels(hand, camera, pair):
    """What the authors' tools write for one frame, in the camera of the view."""
    asset = pair.asset(hand.is_right)
    turn = Rotation.from_matrix(camera.rotation) * Rotation.from_rotvec(hand.global_orient)
    offsets = hand.hand_pose - asset.hands_mean
    coefficients = np.linalg.solve(asset.hands_components.T.astype(np.float64), offsets)
    transl = root_to_transl(camera.to_cam(hand.root), hand.betas, asset)
    joints = camera.to_cam(hand.keypoints)
    return dict(
        seg=np.zeros((480, 640), np.uint8),
        pose_y=np.zeros((2, 3, 4), np.float32),
        pose_m=np.concatenate([turn.as_rotvec(), coefficients, transl])[None].astype(np.float32),
        joint_3d=joints[None].astype(np.float32),
        joint_2d=camera.project(joints)[None].astype(np.float32),
    )


def write_yaml(path, content):
    """Write as the authors did: ``yaml.dump`` tags tuples with ``!!python/tuple``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(content))


def write_sequences(root, subject, worlds):
    """Write the folders and ``meta.yml`` of all 100 sequences of a subject, last one first."""
    day = subject[:8]
    for place in reversed(range(100)):
        name = f"{subject}/{day}_{141000 + place}"
        world = worlds.get(name)
        meta = {
            "serials": list(SERIALS),
            "num_frames": NUM_FRAMES if world else 1,
            "extrinsics": "20200702_151821",
            "ycb_ids": [1, 11],
            "ycb_grasp_ind": 0,
            "mano_sides": list(world.hands[0]) if world else ["right"],
            "mano_calib": [f"{day}_140042_{subject[9:]}_right"],
        }
        (root / name).mkdir(parents=True)
        if place % 5 == 4:
            write_yaml(root / name / "meta.yml", meta)


def write_calibration(root, worlds):
    for name, world in worlds.items():
        subject = name.split("/")[0]
        (hand,) = world.hands[0].values()
        folder = root / "calibration" / f"mano_{subject[:8]}_140042_{subject[9:]}_right"
        write_yaml(folder / "mano.yml", {"betas": hand.betas.tolist()})
    cameras = dict(zip(SERIALS, worlds[RIGHT].cameras * 4, strict=True))
    for serial, camera in cameras.items():
        (fx, fy), (ppx, ppy) = camera.focal.tolist(), camera.princpt.tolist()
        write_yaml(
            root / "calibration" / "intrinsics" / f"{serial}_640x480.yml",
            {"color": {"fx": fx, "fy": fy, "ppx": ppx, "ppy": ppy}, "depth": {"fx": 1.0}},
        )
    places = {
        serial: tuple(np.column_stack([camera.rotation.T, camera.position]).ravel().tolist())
        for serial, camera in cameras.items()
    }
    write_yaml(
        root / "calibration" / "extrinsics_20200702_151821" / "extrinsics.yml",
        {"master": SERIALS[2], "extrinsics": {**places, "apriltag": (0.0,) * 12}},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, worlds, write_picture):
    """Raw files of the two subjects of ``s0_val``, of which two cameras and sequences are full."""
    root = tmp_path_factory.mktemp("dexycb") / "raw"
    for subject in SUBJECTS[:2]:
        write_sequences(root, subject, worlds)
    write_calibration(root, worlds)
    text = (root / "calibration" / "extrinsics_20200702_151821" / "extrinsics.yml").read_text()
    assert "!!python/tuple" in text
    for name, world in worlds.items():
        for frame, hands in enumerate(world.hands):
            for serial, camera in cameras_of(worlds).items():
                (hand,) = hands.values()
                picture = world.picture(frame, camera)
                write_picture(root / name / serial / f"color_{frame:06d}.jpg", picture)
                np.savez_compressed(
                    root / name / serial / f"labels_{frame:06d}.npz",
                    **raw_labels(hand, camera, world.pair),
                )
    return root


@pytest.fixture
def source(finished, tmp_path):
    """A copy of the raw files, to break."""
    return shutil.copytree(finished, tmp_path / "raw")


def cameras_of(worlds):
    """The two cameras that film both recordings."""
    return dict(zip(SERIALS[:2], worlds[RIGHT].cameras, strict=True))


def converter_of(source, view=None, hands=None):
    return DexYcbConverter(
        source,
        split="s0_val",
        view=view or CropView(128),
        hands=hands or load_hands("openhand"),
    )


def units_of(converter, name=RIGHT, serial=SERIALS[0]):
    return [unit for unit in converter.units() if unit.name == f"{name}/{serial}"]


def first_unit(source, **options):
    converter = converter_of(source, **options)
    return list(converter.samples(*units_of(converter)))


@pytest.mark.parametrize("view", [CropView(128), FullFrameView()])
def test_truth_is_recovered(source, worlds, collect, assert_truth, view):
    samples, rejections = collect(converter_of(source, view=view))
    assert len(samples) == 2 * 2 * NUM_FRAMES
    assert Counter(rejection.reason for rejection in rejections) == {NO_LABELS: NUM_EMPTY}
    for name, world in worlds.items():
        for serial, camera in cameras_of(worlds).items():
            for frame, hands in enumerate(world.hands):
                ((side, hand),) = hands.items()
                key = f"dexycb/{name.replace('/', '_')}/{serial}/{frame:06d}/{side}"
                sample = samples[key]
                assert_truth(sample, hand, camera, world.pair)
                assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
                assert sample.frame_time == frame / 30
                assert sample.extra["subject"] == name.split("/")[0]
                assert sample.mano_valid == hand.is_right


def test_pose_is_absolute_and_the_mean_pose_added_once(source, worlds):
    sample = first_unit(source)[0]
    hand = worlds[RIGHT].hands[0]["right"]
    np.testing.assert_allclose(sample.hand_pose, hand.hand_pose, atol=1e-5)
    np.testing.assert_allclose(sample.betas, hand.betas, atol=1e-5)
    assert sample.mano_residual < 1e-6


@pytest.mark.parametrize("name", [RIGHT, LEFT])
def test_raw_poses_reproduce_joint_3d(source, worlds, name):
    """To 0.1 mm, on both sides, with the hands that the converter uses."""
    pair = load_hands("openhand")
    (hand,) = worlds[name].hands[1].values()
    with np.load(source / name / SERIALS[1] / "labels_000001.npz") as file:
        pose, joints = file["pose_m"][0].astype(np.float64), file["joint_3d"][0]
    asset = pair.asset(hand.is_right)
    rest_wrist = asset.j_regressor[0] @ (asset.v_template + asset.shapedirs @ hand.betas)
    mesh = pair.pose(
        hand.is_right,
        global_orient=pose[:3],
        hand_pose=pose[3:48] @ asset.hands_components + asset.hands_mean,
        betas=hand.betas,
        root=pose[48:] + rest_wrist,
    )
    np.testing.assert_allclose(mesh.keypoints, joints, atol=1e-4)
    middle_tip = 444 if hand.is_right else 445
    np.testing.assert_allclose(mesh.vertices[middle_tip], joints[12], atol=1e-4)


def test_boxes_hold_the_mesh_that_the_labels_were_made_of(source, worlds, collect):
    """The stock left hand for left hands: with mirrored shapes the box would be another one."""
    view = FullFrameView()
    samples, _ = collect(converter_of(source, view=view))
    mirrored, _ = collect(
        converter_of(source, view=view, hands=HandPair.load("openhand", fingertips="manopth"))
    )
    for name, world in worlds.items():
        camera = cameras_of(worlds)[SERIALS[1]]
        ((side, hand),) = world.hands[2].items()
        pixels = camera.project(camera.to_cam(hand.vertices))
        key = f"dexycb/{name.replace('/', '_')}/{SERIALS[1]}/000002/{side}"
        expected = [*pixels.min(0), *pixels.max(0)]
        np.testing.assert_allclose(samples[key].bbox_xyxy, expected, atol=0.1)
        gap = np.abs(mirrored[key].bbox_xyxy - expected).max()
        assert gap < 0.1 if hand.is_right else gap > 0.5


def test_left_hands_keep_no_mano_parameters(source, collect):
    samples, _ = collect(converter_of(source))
    left = [sample for sample in samples.values() if not sample.is_right]
    assert left
    for sample in left:
        assert not sample.mano_valid and sample.mano_residual is None
        assert not sample.hand_pose.any() and not sample.betas.any()


def test_two_views_meet_in_the_world(source, worlds, collect):
    samples, _ = collect(converter_of(source))
    for name, world in worlds.items():
        ((side, hand),) = world.hands[0].items()
        for serial in SERIALS[:2]:
            sample = samples[f"dexycb/{name.replace('/', '_')}/{serial}/000000/{side}"]
            place = np.array(sample.extra["camera_to_world"])
            in_world = sample.keypoints_cam @ place[:, :3].T + place[:, 3]
            np.testing.assert_allclose(in_world, hand.keypoints, atol=5e-5)


def test_units_are_sequences_from_each_camera(source):
    converter = converter_of(source)
    units = converter.units()
    assert len(units) == 2 * 20 * 8
    assert [unit.name for unit in units[:9]] == [
        *(f"{RIGHT}/{serial}" for serial in SERIALS),
        f"{SUBJECTS[0]}/20200709_141009/{SERIALS[0]}",
    ]
    assert [unit.num_frames for unit in units[7:9]] == [NUM_FRAMES, 1]
    assert units[-1].name == f"{LEFT}/{SERIALS[-1]}"


def change_labels(path, **changes):
    with np.load(path) as file:
        np.savez_compressed(path, **{**file, **changes})


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (NO_HAND, dict(joint_3d=np.full((1, 21, 3), -1.0), joint_2d=np.full((1, 21, 2), -1.0))),
        (NO_HAND, dict(pose_m=np.zeros((1, 51)))),
        (IMPOSSIBLE, dict(joint_2d=np.full((1, 21, 2), np.nan))),
        (IMPOSSIBLE, dict(pose_m=np.full((1, 51), np.inf))),
        (IMPOSSIBLE, dict(joint_3d=np.full((1, 21, 3), -0.5))),
        (BAD_LABELS, dict(pose_m=np.ones((1, 48)))),
    ],
)
def test_frames_without_a_hand_are_counted(source, reason, changes):
    path = source / RIGHT / SERIALS[0] / "labels_000001.npz"
    change_labels(path, **changes)
    first, rejection, last = first_unit(source)
    assert rejection.reason == reason and str(path) in rejection.where
    assert [sample.sample_id.split("/")[3] for sample in (first, last)] == ["000000", "000002"]


def test_broken_files_are_counted_and_named(source):
    folder = source / RIGHT / SERIALS[0]
    content = (folder / "labels_000000.npz").read_bytes()
    (folder / "labels_000000.npz").write_bytes(content[: len(content) // 2])
    (folder / "color_000001.jpg").unlink()
    (folder / "color_000002.jpg").write_bytes(b"\xff\xd8\xff broken")
    items = first_unit(source)
    assert [item.reason for item in items] == [BAD_LABELS, NO_IMAGE, BAD_IMAGE]
    names = ["labels_000000.npz", "color_000001.jpg", "color_000002.jpg"]
    assert all(name in item.where for item, name in zip(items, names, strict=True))


def test_images_of_another_size_are_counted(source, write_picture):
    path = source / RIGHT / SERIALS[0] / "color_000000.jpg"
    write_picture(path, cv2.resize(cv2.imread(str(path)), (320, 240)))
    assert first_unit(source)[0].reason == OTHER_SIZE


@pytest.mark.parametrize(
    "name",
    [
        f"{RIGHT}/meta.yml",
        f"calibration/intrinsics/{SERIALS[3]}_640x480.yml",
        "calibration/extrinsics_20200702_151821/extrinsics.yml",
        "calibration/mano_20200813_140042_subject-02_right/mano.yml",
    ],
)
def test_missing_files_that_everything_needs_are_named(source, name):
    (source / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: No such file.*dex-ycb\.github\.io"):
        converter_of(source)


def test_a_subject_with_sequences_missing_is_refused(source):
    """Otherwise all following sequences would fall into other splits."""
    (source / SUBJECTS[0] / "20200709_141000").rmdir()
    with pytest.raises(ValueError, match=rf"{SUBJECTS[0]}: holds 99 sequences, want 100"):
        converter_of(source)
    (source / SUBJECTS[0]).rename(source / "elsewhere")
    with pytest.raises(ValueError, match=rf"{SUBJECTS[0]}: no such folder"):
        converter_of(source)


def test_info_states_what_was_assumed(source):
    info = converter_of(source).info
    assert (info.name, info.split, info.hand_model) == ("dexycb", "s0_val", "openhand")
    assert info.fingertips == "manopth"
    assert "stock left" in info.source and "30 Hz" in info.source


def test_the_tool_writes_the_same_bytes_with_any_number_of_workers(
    source, worlds, tmp_path, load_tool
):
    tool = load_tool("dataset_converters/dexycb.py")
    tars = []
    for workers in ("1", "2"):
        root = tmp_path / f"with{workers}"
        paths = [str(source), str(root)]
        options = "--split s0_val --mano openhand --num-shards 2 --full-frame --num-workers"
        tool.main([*paths, *options.split(), workers])
        tars.append([path.read_bytes() for path in sorted(root.glob("*.tar"))])
    assert tars[0] == tars[1] and len(tars[0]) == 2
    reader = ShardReader(root)
    samples = {sample.sample_id: sample for sample in map(reader.read_sample, range(len(reader)))}
    camera, hand = cameras_of(worlds)[SERIALS[1]], worlds[LEFT].hands[2]["left"]
    pixels = camera.project(camera.to_cam(hand.vertices))  # of the stock left hand
    box = samples[f"dexycb/{LEFT.replace('/', '_')}/{SERIALS[1]}/000002/left"].bbox_xyxy
    np.testing.assert_allclose(box, [*pixels.min(0), *pixels.max(0)], atol=0.1)
