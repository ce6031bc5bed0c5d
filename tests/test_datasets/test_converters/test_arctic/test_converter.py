import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.view import (
    BAD_IMAGE,
    NO_IMAGE,
    OTHER_SIZE,
    OUTSIDE,
    CropView,
    FullFrameView,
)
from handvit.datasets.converters.arctic.converter import (
    FRAMES_PER_UNIT,
    NO_MOTION,
    SPLITS,
    ArcticConverter,
)
from handvit.datasets.converters.arctic.hands import NOT_FINITE, TOO_NEAR, load_hands
from handvit.datasets.shards.image_codec import decode_pixels
from handvit.datasets.shards.shard_reader import ShardReader

SEQUENCE = "s05/box_use_01"  # of p1_val and p2_val
NUM_FRAMES = 24
OFFSET = 3
#: The official splits leave ten images out at each end; image 10 shows frame 7 of the motion.
IMAGES = range(10, NUM_FRAMES - 10)
FILMING = (1, 2)  # static views that have images here
EGO_SIZE = (560, 400)
DISTORTION = np.array([-0.3, 0.05, 0.003, -0.002, 0.01, 0.1, 0.02, 0.005])


@dataclass(frozen=True)
class Lens:
    """A camera whose image is distorted by the data set's own formula."""

    camera: object

    @property
    def size(self):
        return self.camera.size

    def to_cam(self, points):
        return self.camera.to_cam(points)

    def project(self, points_cam):
        x, y = points_cam[..., 0] / points_cam[..., 2], points_cam[..., 1] / points_cam[..., 2]
        k1, k2, p1, p2, k3, k4, k5, k6 = DISTORTION
        r2 = x * x + y * y
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        moved_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        moved_y = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)
        return np.stack([moved_x, moved_y], axis=-1) * self.camera.focal + self.camera.princpt


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(
        num_frames=NUM_FRAMES, num_cameras=8, size=(240, 320), stock_left=True, seed=3
    )


@pytest.fixture(scope="module")
def ego_cameras(world):
    """The camera on the head, which moves, in every frame of the motion."""
    focal, princpt = np.array([430.0, 425.0]), np.array([283.0, 195.0])
    start = world.cameras[0]
    return [
        replace(
            start,
            rotation=Rotation.from_rotvec([0.02 * frame, 0.03, 0]).as_matrix() @ start.rotation,
            translation=np.array([0.15 - 0.003 * frame, 0.1 + 0.002 * frame, 0.5]),
            focal=focal,
            princpt=princpt,
            size=EGO_SIZE,
        )
        for frame in range(NUM_FRAMES)
    ]


def raw_hand(world, side):
    """One hand of a ``.mano.npy``."""
    hands = [hands[side] for hands in world.hands]
    mean = world.pair.asset(side == "right").hands_mean
    return {
        "rot": np.stack([hand.global_orient for hand in hands]).astype(np.float32),
        "pose": np.stack([hand.hand_pose - mean for hand in hands]).astype(np.float32),
        "trans": np.stack([hand.transl for hand in hands]).astype(np.float32),
        "shape": hands[0].betas.astype(np.float32),
        "fitting_err": [0.1] * NUM_FRAMES,
    }


def raw_ego(ego_cameras):
    """An ``.egocam.dist.npy``."""
    return {
        "R_k_cam_np": np.stack([camera.rotation for camera in ego_cameras]),
        "T_k_cam_np": np.stack([camera.translation[:, None] for camera in ego_cameras]),
        "intrinsics": ego_cameras[0].matrix,
        "ego_markers.ref": np.zeros((4, 3)),
        "ego_markers.label": ["EGO1", "EGO2", "EGO3", "EGO4"],
        "R0": np.eye(3),
        "T0": np.zeros((3, 1)),
        "dist8": DISTORTION,
    }


def raw_subject(world):
    """One person in ``misc.json``."""
    places = np.tile(np.eye(4), (8, 1, 1))
    places[:, :3, :3] = [camera.rotation for camera in world.cameras]
    places[:, :3, 3] = [camera.translation for camera in world.cameras]
    return {
        "gender": "female",
        "ioi_offset": OFFSET,
        "image_size": [list(EGO_SIZE), *[[240, 320]] * 8],
        "intris_mat": [camera.matrix.tolist() for camera in world.cameras],
        "world2cam": places.tolist(),
    }


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, world, ego_cameras, write_picture):
    """Raw files of one sequence: the ego view and two static ones have images."""
    root = tmp_path_factory.mktemp("arctic") / "data"
    write_json(root / "meta" / "misc.json", {"s05": raw_subject(world)})
    for protocol in ("p1", "p2"):
        names = {"train": ["s01/box_grab_01"], "val": [SEQUENCE], "test": ["s03/box_use_01"]}
        write_json(root / "splits_json" / f"protocol_{protocol}.json", names)
    (root / "raw_seqs" / "s05").mkdir(parents=True)
    stem = root / "raw_seqs" / SEQUENCE
    np.save(f"{stem}.mano.npy", {side: raw_hand(world, side) for side in ("right", "left")})
    np.save(f"{stem}.egocam.dist.npy", raw_ego(ego_cameras))
    for number in IMAGES:
        row = number - OFFSET
        name = f"{number:05d}.jpg"
        for view in FILMING:
            picture = world.picture(row, world.cameras[view - 1])
            write_picture(root / "images" / SEQUENCE / str(view) / name, picture)
        picture = world.picture(row, Lens(ego_cameras[row]))
        write_picture(root / "images" / SEQUENCE / "0" / name, picture)
        small = cv2.resize(picture, (168, 120), interpolation=cv2.INTER_AREA)
        write_picture(root / "cropped_images" / SEQUENCE / "0" / name, small)
    return root


@pytest.fixture
def source(finished, tmp_path):
    """A copy of the raw files, to break."""
    return shutil.copytree(finished, tmp_path / "raw")


def converter_of(source, split="p2_val", view=None, **options):
    view = view or CropView(160)
    hands = load_hands("openhand")
    return ArcticConverter(source, split=split, view=view, hands=hands, **options)


def key(number, view, side):
    return f"arctic/s05_box_use_01/{view}/{number:05d}/{side}"


@pytest.mark.parametrize("view", [CropView(160), FullFrameView()])
def test_truth_of_static_views_is_recovered(finished, world, collect, assert_truth, view):
    samples, rejections = collect(converter_of(finished, "p1_val", view))
    assert len(samples) == len(FILMING) * len(IMAGES) * 2
    for number in IMAGES:
        for place in FILMING:
            for side, hand in world.hands[number - OFFSET].items():
                sample = samples[key(number, place, side)]
                assert_truth(sample, hand, world.cameras[place - 1], world.pair)
                assert sample.frame_time == (number - OFFSET) / 30
                assert sample.extra["subject"] == "s05"
    missing = (8 - len(FILMING)) * len(IMAGES)
    assert Counter(rejection.reason for rejection in rejections) == {NO_IMAGE: missing}


@pytest.mark.parametrize("images", ["images", "cropped_images"])
@pytest.mark.parametrize("view", [CropView(160), FullFrameView()])
def test_truth_of_the_ego_view_is_recovered(
    finished, world, ego_cameras, collect, assert_truth, view, images
):
    samples, rejections = collect(converter_of(finished, view=view, images=images))
    assert len(samples) == len(IMAGES) * 2 and not rejections
    for number in IMAGES:
        row = number - OFFSET
        for side, hand in world.hands[row].items():
            sample = samples[key(number, 0, side)]
            assert_truth(sample, hand, ego_cameras[row], world.pair)
            assert sample.mano_valid == (side == "right")


def overlap(picture, other):
    """Intersection over union of the skin in two pictures; skin is redder than the background."""
    skin, wanted = (image[..., 0].astype(int) - image[..., 2] > 25 for image in (picture, other))
    return (skin & wanted).sum() / (skin | wanted).sum()


def test_ego_images_show_the_hands_where_the_labels_are(finished, world, ego_cameras, collect):
    samples, _ = collect(converter_of(finished, view=FullFrameView()))
    for number in IMAGES:
        camera = ego_cameras[number - OFFSET]
        wanted = world.picture(number - OFFSET, camera)
        assert overlap(decode_pixels(samples[key(number, 0, "left")].image), wanted) > 0.94
        if number in (11, 12):  # the hands are far from the middle: the lens matters
            assert overlap(world.picture(number - OFFSET, Lens(camera)), wanted) < 0.7


def test_shrunk_ego_images_show_the_same(finished, world, ego_cameras, collect):
    samples, _ = collect(converter_of(finished, view=FullFrameView(), images="cropped_images"))
    camera = ego_cameras[11 - OFFSET]
    small = replace(
        camera,
        focal=0.3 * camera.focal,
        princpt=0.3 * (camera.princpt + 0.5) - 0.5,
        size=(168, 120),
    )
    sample = samples[key(11, 0, "right")]
    assert sample.image_size == small.size
    np.testing.assert_allclose(sample.focal, small.focal)
    np.testing.assert_allclose(sample.princpt, small.princpt)
    assert overlap(decode_pixels(sample.image), world.picture(11 - OFFSET, small)) > 0.85


def test_shrunk_static_views_are_refused(finished):
    with pytest.raises(ValueError, match=r"--images cropped_images: .* convert p1_val from images"):
        converter_of(finished, "p1_val", images="cropped_images")


def test_left_boxes_hold_the_stock_hand(finished, world, collect):
    samples, _ = collect(converter_of(finished, "p1_val", FullFrameView()))
    camera = world.cameras[1]
    for side, hand in world.hands[7].items():
        pixels = camera.project(camera.to_cam(hand.vertices))
        tight = [*pixels.min(0), *pixels.max(0)]
        np.testing.assert_allclose(samples[key(10, 2, side)].bbox_xyxy, tight, atol=0.1)


def test_units_are_stretches_of_one_view(source, world):
    def long(side):
        hand = raw_hand(world, side)
        rows = {name: np.tile(hand[name], (100, 1)) for name in ("rot", "pose", "trans")}
        return {**hand, **rows}

    assert [tuple(unit) for unit in converter_of(source).units()] == [(f"{SEQUENCE}/0/00010", 4)]
    path = source / "raw_seqs" / f"{SEQUENCE}.mano.npy"
    np.save(path, {side: long(side) for side in ("right", "left")})
    units = converter_of(source, "p1_val").units()
    assert len(units) == 8 * 3
    assert [tuple(unit) for unit in units[:4]] == [
        (f"{SEQUENCE}/1/00010", FRAMES_PER_UNIT),
        (f"{SEQUENCE}/1/01010", FRAMES_PER_UNIT),
        (f"{SEQUENCE}/1/02010", 2400 - 20 - 2 * FRAMES_PER_UNIT),
        (f"{SEQUENCE}/2/00010", FRAMES_PER_UNIT),
    ]


def test_splits_and_their_views():
    assert list(SPLITS) == ["p1_train", "p1_val", "p2_train", "p2_val"]
    assert tuple(SPLITS["p1_train"]) == (1, 2, 3, 4, 5, 6, 7, 8)
    assert tuple(SPLITS["p2_val"]) == (0,)


def change(path, edit):
    """Edit the dictionary of a ``.npy``; its content is our own here."""
    content = np.load(path, allow_pickle=True).item()
    edit(content)
    np.save(path, content)


def test_images_before_the_motion_are_counted(source, collect):
    subject = json.loads((source / "meta" / "misc.json").read_text())["s05"]
    write_json(source / "meta" / "misc.json", {"s05": {**subject, "ioi_offset": 12}})
    samples, rejections = collect(converter_of(source))
    assert [rejection.reason for rejection in rejections] == [NO_MOTION] * 2
    assert "00010.jpg: frame -2" in rejections[0].where
    assert {sample.split("/")[3] for sample in samples} == {"00012", "00013"}


def test_hands_without_numbers_or_behind_the_camera_are_counted(source, ego_cameras, collect):
    def edit(content):
        content["left"]["pose"][10 - OFFSET, 7] = np.nan
        content["right"]["trans"][11 - OFFSET] -= ego_cameras[11 - OFFSET].rotation[2]  # 1 m
        content["left"]["trans"][11 - OFFSET] += 2 * ego_cameras[11 - OFFSET].rotation[0]

    change(source / "raw_seqs" / f"{SEQUENCE}.mano.npy", edit)
    samples, rejections = collect(converter_of(source))
    reasons = {rejection.reason: rejection.where for rejection in rejections}
    assert set(reasons) == {NOT_FINITE, TOO_NEAR, OUTSIDE} and len(rejections) == 3
    assert key(10, 0, "left") in reasons[NOT_FINITE]
    assert key(11, 0, "right") in reasons[TOO_NEAR]
    assert key(11, 0, "left") in reasons[OUTSIDE]
    assert len(samples) == len(IMAGES) * 2 - 3


@pytest.mark.parametrize(("split", "view"), [("p1_val", "2"), ("p2_val", "0")])
def test_broken_images_are_counted_and_named(source, write_picture, split, view):
    folder = source / "images" / SEQUENCE / view
    (folder / "00010.jpg").unlink()
    (folder / "00011.jpg").write_bytes(b"\xff\xd8\xff broken")
    write_picture(folder / "00012.jpg", np.zeros((50, 60, 3), np.uint8))
    converter = converter_of(source, split)
    (unit,) = [unit for unit in converter.units() if unit.name == f"{SEQUENCE}/{view}/00010"]
    items = list(converter.samples(unit))
    assert [item.reason for item in items[:4]] == [NO_IMAGE, BAD_IMAGE, OTHER_SIZE, OTHER_SIZE]
    numbers = ("00010", "00011", "00012", "00012")
    assert all(f"{number}.jpg" in item.where for item, number in zip(items, numbers, strict=False))
    assert [item.sample_id for item in items[4:]] == [
        key(13, view, "right"),
        key(13, view, "left"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "meta/misc.json",
        "splits_json/protocol_p2.json",
        f"raw_seqs/{SEQUENCE}.mano.npy",
        f"raw_seqs/{SEQUENCE}.egocam.dist.npy",
    ],
)
def test_missing_and_cut_files_that_everything_needs_are_named(source, name):
    content = (source / name).read_bytes()
    (source / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"{name}: not a readable"):
        converter_of(source)
    (source / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: "):
        converter_of(source)


def test_static_views_need_no_ego_camera(source):
    (source / "raw_seqs" / f"{SEQUENCE}.egocam.dist.npy").unlink()
    assert len(converter_of(source, "p1_val").units()) == 8


def test_cameras_of_another_length_are_refused(source):
    def edit(content):
        content["R_k_cam_np"] = content["R_k_cam_np"][:-1]
        content["T_k_cam_np"] = content["T_k_cam_np"][:-1]

    change(source / "raw_seqs" / f"{SEQUENCE}.egocam.dist.npy", edit)
    with pytest.raises(ValueError, match=r"egocam\.dist\.npy: 23 frames, but 24"):
        converter_of(source)


def test_unknown_subjects_are_refused(source):
    with pytest.raises(ValueError, match=r"misc\.json: does not know subject of s01/box_grab_01"):
        converter_of(source, "p2_train")


def test_pickles_execute_nothing(source, tmp_path):
    proof = tmp_path / "proof"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    np.save(source / "raw_seqs" / f"{SEQUENCE}.mano.npy", {"right": Trap()})
    with pytest.raises(ValueError, match=r"mano\.npy: refused"):
        converter_of(source)
    assert not proof.exists()


def test_info_states_what_was_assumed(finished):
    info = converter_of(finished, images="cropped_images").info
    assert (info.name, info.split, info.hand_model) == ("arctic", "p2_val", "openhand")
    assert info.fingertips == "smplx"
    for fact in ("stock left", "30 Hz", "cropped_images/", "without lens distortion"):
        assert fact in info.source


def test_the_tool_writes_the_same_bytes_with_any_number_of_workers(
    finished, world, tmp_path, load_tool, assert_truth
):
    tool = load_tool("dataset_converters/arctic.py")
    tars = []
    for workers in ("1", "2"):
        root = tmp_path / f"with{workers}"
        options = "--split p1_val --mano openhand --num-shards 3 --image-size 64 --num-workers"
        tool.main([str(finished), str(root), *options.split(), workers])
        tars.append([path.read_bytes() for path in sorted(root.glob("*.tar"))])
    assert tars[0] == tars[1] and len(tars[0]) == 1  # the other two shards have no images
    reader = ShardReader(root)
    samples = {sample.sample_id: sample for sample in map(reader.read_sample, range(len(reader)))}
    assert_truth(samples[key(10, 2, "left")], world.hands[7]["left"], world.cameras[1], world.pair)
