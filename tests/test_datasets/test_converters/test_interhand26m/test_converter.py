import json

import numpy as np
import pytest

from handvit.datasets.conversion import view
from handvit.datasets.conversion.view import CropView, FullFrameView
from handvit.datasets.converters.interhand26m import converter as interhand26m
from handvit.datasets.converters.interhand26m.annotations import annotation_path
from handvit.datasets.converters.interhand26m.converter import (
    InterHandConverter,
    clip_box,
    published_box,
)
from handvit.datasets.converters.interhand26m.subset import Subset
from handvit.datasets.shards.shard_reader import ShardReader

# What conftest.py writes.
SIZE = (168, 256)
FRAMES = (1000, 1018, 1036)
CAMERAS = ("400026", "410053")
KINDS = ("data", "camera", "joint_3d", "MANO_NeuralAnnot")
SEQUENCES = {"ROM01_Both": "interacting", "0001_fist": "right", "0002_fist": "left"}


def sample_id(side="right", frame=FRAMES[0], sequence="ROM01_Both", camera=CAMERAS[0]) -> str:
    return f"interhand26m/test-Capture7-{sequence}/cam{camera}/{frame:06d}/{side}"


@pytest.mark.parametrize("stored", [FullFrameView(), CropView(64, 1.5)], ids=["full", "crop"])
def test_truth_of_both_hands_in_all_cameras_frames_and_sequences(
    raw, collect, assert_truth, stored
):
    samples, rejections = collect(raw.convert(view=stored))
    assert not rejections
    assert len(samples) == 24  # 3 frames, 2 cameras, 2 + 1 + 1 hands
    for number, (sequence, hand_type) in enumerate(SEQUENCES.items()):
        for index, frame in enumerate(FRAMES):
            for name, camera in zip(CAMERAS, raw.world.cameras, strict=True):
                for side in ("right", "left") if hand_type == "interacting" else (hand_type,):
                    sample = samples[sample_id(side, frame + 10000 * number, sequence, name)]
                    hand = raw.world.hands[index][side]
                    assert_truth(sample, hand, camera, raw.world.pair)
                    assert sample.keypoints_cam_valid.all() and sample.mano_valid
                    assert sample.mano_residual < 1e-6
                    assert sample.frame_time == pytest.approx(index / 5)
                    assert sample.extra["subject"] == "3"
                    assert sample.extra["hand_type"] == hand_type


def test_box_is_that_of_one_hand(raw, collect):
    camera, hands = raw.world.cameras[0], raw.world.hands[0]
    with_mesh, _ = collect(raw.convert())
    without, _ = collect(raw.convert(hands=None))
    for side in ("right", "left"):
        for samples, points in (
            (with_mesh, hands[side].vertices),
            (without, hands[side].keypoints),
        ):
            pixels = camera.project(camera.to_cam(points))
            keypoints = camera.project(camera.to_cam(hands[side].keypoints))
            pixels = np.concatenate([pixels, keypoints])
            expected = [*pixels.min(0), *pixels.max(0)]
            np.testing.assert_allclose(samples[sample_id(side)].bbox_xyxy, expected, atol=0.01)


def test_box_of_the_file_is_the_joints_box_grown_by_a_fifth(raw):
    pixels = np.array([[10.0, 20.0], [30.0, 60.0], [20.0, 70.0]])
    np.testing.assert_allclose(published_box(pixels), [8.0, 15.0, 24.0, 60.0])


def test_boxes_are_cut_at_the_centres_of_the_outermost_pixels():
    size = np.array([100, 80])
    assert clip_box(np.array([-5.0, 3.0, 120.0, 10.0]), size).tolist() == [0, 3, 99, 13]
    assert clip_box(np.array([5.0, -3.0, 10.0, 90.0]), size).tolist() == [5, 0, 15, 79]


@pytest.mark.parametrize("is_clipped", [True, False])
def test_box_may_be_clipped_or_not(raw, collect, is_clipped):
    # The joints reach to 1 px from the right edge, so the grown box ends outside the image.
    annotation, camera = raw.annotation(), raw.world.cameras[0]
    instant = raw.joint_3d["7"][str(FRAMES[0])]
    coord = np.array(instant["world_coord"]) / 1000
    points = camera.to_cam(coord)
    edge = (SIZE[0] - 2 - camera.princpt[0]) / camera.focal[0]
    points[:, 0] += (edge * points[:, 2] - points[:, 0]).min()
    instant["world_coord"] = ((points - camera.translation) @ camera.rotation * 1000).tolist()
    box = published_box(camera.project(points))
    right = box[0] + box[2]
    assert right > SIZE[0] + 3
    if is_clipped:
        box[2] = SIZE[0] - box[0]
    annotation["bbox"], annotation["joint_valid"] = box.tolist(), [[1]] * 42
    samples, rejections = collect(raw.convert(hands=None))
    where = [item.where for item in rejections if "annotation 500:" in item.where]
    assert sample_id() in samples and not where


def test_frame_whose_joints_do_not_fill_its_box_is_left_out(raw, collect):
    raw.annotation()["bbox"][0] += 1.5
    raw.annotation(frame=FRAMES[1])["bbox"][0] += 0.5
    samples, rejections = collect(raw.convert())
    assert len(samples) == 22
    assert [rejection.reason for rejection in rejections] == [interhand26m.OTHER_BOX]
    assert "InterHand2.6M_test_data.json: annotation 500: [" in rejections[0].where


def test_box_of_a_truncated_hand_is_not_compared(raw, collect):
    raw.annotation()["joint_valid"][4] = [0]
    raw.annotation()["bbox"] = [0.0, 0.0, 1.0, 1.0]
    samples, rejections = collect(raw.convert())
    assert len(samples) == 24 and not rejections


def test_joint_behind_the_camera_is_not_valid_and_the_box_is_not_compared(raw, collect):
    instant = raw.joint_3d["7"][str(FRAMES[0])]
    back = raw.world.cameras[0].rotation.T @ [0, 0, 5000.0]
    instant["world_coord"][8] = (np.array(instant["world_coord"][8]) - back).tolist()
    raw.annotation()["bbox"] = [0.0, 0.0, 1.0, 1.0]  # what it would hold is not known
    right = collect(raw.convert())[0][sample_id("right")]
    assert np.flatnonzero(~right.keypoints_cam_valid).tolist() == [12]
    assert np.flatnonzero(~right.keypoints_img_valid).tolist() == [12]


def test_masks_of_2d_and_3d_come_from_their_own_files(raw, collect):
    raw.annotation()["joint_valid"][4] = [0]  # the right index tip, cut off in this camera only
    instant = raw.joint_3d["7"][str(FRAMES[0])]
    instant["joint_valid"][21 + 15] = [0]  # the left ring base
    instant["world_coord"][21 + 11] = [1.0, 1.0, 1.0]  # the left middle base, not marked invalid
    samples, _ = collect(raw.convert())
    right, left = samples[sample_id("right")], samples[sample_id("left")]
    assert np.flatnonzero(~right.keypoints_img_valid).tolist() == [8]
    assert right.keypoints_cam_valid.all()
    assert np.flatnonzero(~left.keypoints_img_valid).tolist() == [9, 13]
    assert np.flatnonzero(~left.keypoints_cam_valid).tolist() == [9, 13]
    assert not left.keypoints_img[[9, 13]].any() and not left.keypoints_cam[[9, 13]].any()
    assert samples[sample_id("right", camera=CAMERAS[1])].keypoints_img_valid.all()


def test_hand_without_its_wrist_is_not_known_in_3d(raw, collect):
    raw.joint_3d["7"][str(FRAMES[0])]["joint_valid"][41] = [0]
    samples, _ = collect(raw.convert())
    left = samples[sample_id("left")]
    assert not left.keypoints_cam_valid.any() and not left.keypoints_cam.any()
    assert np.flatnonzero(~left.keypoints_img_valid).tolist() == [0]
    assert left.mano_valid and left.mano_residual is None
    assert samples[sample_id("right")].keypoints_cam_valid.all()


def test_hand_without_joints_in_the_image_is_left_out(raw, collect):
    raw.annotation()["joint_valid"][:21] = [[0]] * 21
    samples, rejections = collect(raw.convert())
    assert sample_id("right") not in samples and sample_id("left") in samples
    assert [rejection.reason for rejection in rejections] == [interhand26m.NOT_IN_IMAGE]
    assert rejections[0].where.endswith("annotation 500: right")


def test_missing_fits_leave_the_rest(raw, collect):
    del raw.MANO_NeuralAnnot["7"][str(FRAMES[0])]
    raw.MANO_NeuralAnnot["7"][str(FRAMES[1])]["left"] = None
    samples, rejections = collect(raw.convert())
    assert len(samples) == 24 and not rejections
    lacking = {key for key, sample in samples.items() if not sample.mano_valid}
    pairs = [("right", FRAMES[0]), ("left", FRAMES[0]), ("left", FRAMES[1])]
    assert lacking == {sample_id(*pair, camera=camera) for pair in pairs for camera in CAMERAS}
    assert all(samples[key].keypoints_cam_valid.all() for key in lacking)


@pytest.mark.parametrize("key, value", [("shape", [float("nan")] * 10), ("trans", None)])
def test_bad_fit_leaves_the_joints(raw, collect, key, value):
    behind = (2 * raw.world.cameras[0].position).tolist()
    raw.MANO_NeuralAnnot["7"][str(FRAMES[0])]["right"][key] = value or behind
    samples, rejections = collect(raw.convert())
    right, left = samples[sample_id("right")], samples[sample_id("left")]
    assert len(samples) == 24 and not rejections
    assert not right.mano_valid and right.mano_residual is None and not right.betas.any()
    assert right.keypoints_cam_valid.all() and right.keypoints_img_valid.all()
    pixels = right.keypoints_img
    np.testing.assert_allclose(right.bbox_xyxy, [*pixels.min(0), *pixels.max(0)])
    assert left.mano_valid


def test_labels_without_meaning_are_counted(raw, collect):
    raw.joint_3d["7"][str(FRAMES[0])]["world_coord"][3] = [float("nan")] * 3
    raw.annotation(frame=FRAMES[1])["joint_valid"][1:21] = [[0]] * 20  # no box without a mesh
    samples, rejections = collect(raw.convert(view=CropView(64), hands=None))
    assert len(samples) == 21
    reasons = [rejection.reason for rejection in rejections]
    assert reasons.count(f"{view.BAD_LABELS}: keypoints_cam") == 2
    assert reasons.count(f"{view.BAD_LABELS}: bbox_xyxy") == 1


def test_frames_and_cameras_outside_the_lists_are_counted(raw, collect):
    del raw.joint_3d["7"][str(FRAMES[0])]
    for part in raw.camera["7"].values():
        del part[CAMERAS[1]]
    samples, rejections = collect(raw.convert())
    reasons = [rejection.reason for rejection in rejections]
    assert reasons.count(interhand26m.NO_JOINTS) == 1
    assert reasons.count(interhand26m.NO_CAMERA) == 9
    assert len(samples) == 10


def test_known_bad_camera_is_left_out_of_the_test_split_only(tmp_path, make_raw, collect):
    for split, capture, is_bad in (("test", 0, True), ("train", 0, False), ("test", 1, False)):
        raw = make_raw(tmp_path / f"{split}{capture}", split, capture)
        for image in raw.data["images"]:
            image["camera"] = image["camera"].replace(CAMERAS[1], "400412")
        for part in raw.camera[str(capture)].values():
            part["400412"] = part.pop(CAMERAS[1])
        samples, rejections = collect(raw.convert())
        assert len(samples) == (12 if is_bad else 24)
        assert {rejection.reason for rejection in rejections} == (
            {interhand26m.BAD_CAMERA} if is_bad else set()
        )
        assert len(rejections) == (9 if is_bad else 0)


def test_hand_types_are_a_choice(raw, collect):
    for hand_type, expected in (("right", 6), ("left", 6), ("interacting", 12)):
        samples, _ = collect(raw.convert(subset=Subset(hand_types=(hand_type,))))
        assert len(samples) == expected
        assert {sample.extra["hand_type"] for sample in samples.values()} == {hand_type}


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda path, other: path.unlink(), view.NO_IMAGE),
        (lambda path, other: path.write_bytes(path.read_bytes()[:40]), view.BAD_IMAGE),
        (lambda path, other: path.write_bytes(other.read_bytes()), view.OTHER_SIZE),
    ],
    ids=["missing", "cut off", "other size"],
)
def test_bad_images_are_counted_by_name(raw, collect, write_picture, spoil, reason):
    other = raw.root / "other.jpg"
    write_picture(other, np.zeros((50, 60, 3), np.uint8))
    folder = raw.root / "images" / "test" / "Capture7" / "ROM01_Both" / f"cam{CAMERAS[0]}"
    spoil(folder / "image1018.jpg", other)
    samples, rejections = collect(raw.convert())
    assert len(samples) == 22
    assert {rejection.reason for rejection in rejections} == {reason}
    assert "image1018.jpg" in rejections[0].where


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_cut_off_annotation_files_are_named(raw, kind):
    raw.save()
    path = annotation_path(raw.root, "test", kind)
    options = dict(split="test", view=FullFrameView(), hands=raw.world.pair)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"{path.name}: not readable .*mks0601"):
        InterHandConverter(raw.root, **options)
    path.unlink()
    with pytest.raises(ValueError, match=rf"{path.name}: not found; .*mks0601"):
        InterHandConverter(raw.root, **options)


def test_ids_differ_between_splits_that_share_a_capture(tmp_path, make_raw, collect):
    ids = []
    for split in ("train", "test"):
        raw = make_raw(tmp_path, split)
        ids.extend(collect(raw.convert(hands=None))[0])
    assert len(set(ids)) == len(ids) == 48


def test_info_says_what_was_chosen_and_assumed(raw):
    info = raw.convert(fps=5, subset=Subset(hand_types=("left",))).info
    assert (info.name, info.split, info.hand_model) == ("interhand26m", "test", "openhand")
    assert "5 fps" in info.source and "type left" in info.source and "mirrored" in info.source
    assert f"the tips of {raw.world.pair.fingertips}" in info.source
    assert "v1.0" not in info.source  # no file tells the release
    assert info.fingertips is None  # the joints are not a mesh's
    info = raw.convert(hands=None).info
    assert info.hand_model is None and "without MANO" in info.source
    assert "tips" not in info.source


@pytest.fixture
def run_main(load_tool, raw):
    """Run the tool on the raw files and return the bytes of all tars it wrote."""

    def run(destination, *options) -> bytes:
        arguments = [str(raw.save()), str(raw.root / destination), "--split", "test"]
        tool = load_tool("dataset_converters/interhand26m.py")
        tool.main([*arguments, "--num-shards", "3", *map(str, options)])
        tars = sorted((raw.root / destination).glob("*.tar"))
        return b"".join(tar.read_bytes() for tar in tars)

    return run


def test_tool_writes_the_same_with_any_number_of_workers(raw, run_main, assert_truth):
    options = ("--mano", "openhand", "--image-size", 64, "--num-workers")
    assert run_main("one", *options, 1) == run_main("two", *options, 2)
    reader = ShardReader(raw.root / "one")
    samples = [reader.read_sample(row) for row in range(len(reader))]
    assert len(samples) == 24 and reader.info.hand_model == "openhand"
    left = next(sample for sample in samples if sample.sample_id == sample_id("left"))
    # Other tips than the truth, but not 20 mm as with shape directions that are not mirrored.
    assert left.mano_valid and left.mano_residual < 0.01
    assert_truth(left, raw.world.hands[0]["left"], raw.world.cameras[0], raw.world.pair)


def test_tool_asks_for_the_fits_unless_told_to_leave_them_out(raw, run_main, capsys):
    raw.kinds = KINDS[:3]
    with pytest.raises(SystemExit, match="1"):
        run_main("plain", "--mano", raw.root / "nowhere", "--num-workers", 1)
    error = capsys.readouterr().err
    assert "InterHand2.6M_test_MANO_NeuralAnnot.json: not found" in error
    assert "--without-mano" in error and not (raw.root / "plain").exists()


def test_tool_without_mano_needs_neither_fits_nor_hand_model(raw, run_main):
    raw.kinds = KINDS[:3]
    options = ("--without-mano", "--mano", raw.root / "nowhere")
    run_main("plain", *options, "--num-workers", 1)
    reader = ShardReader(raw.root / "plain")
    sample = reader.read_sample(0)
    assert reader.info.hand_model is None and not sample.mano_valid
    assert sample.keypoints_cam_valid.all()


def test_tool_counts_the_fits_that_were_taken(raw, run_main):
    raw.MANO_NeuralAnnot["7"][str(FRAMES[0])]["right"]["shape"][0] = float("nan")
    run_main("some", "--mano", "openhand", "--num-workers", 1)
    totals = json.loads((raw.root / "some" / "manifest.json").read_bytes())["totals"]
    assert (totals["num_samples"], totals["num_mano"]) == (24, 22)  # one hand in two cameras


def test_tool_takes_the_human_annotated_images_or_the_others(raw, run_main, capsys):
    listed = raw.root / "aid_human_annot_test.txt"
    listed.write_text("500\n507\n")  # both hands and the right hand
    options = ("--mano", "openhand", "--num-shards", 1, "--num-workers", 1)
    run_main("human", *options, "--annotation-ids", listed)
    assert ShardReader(raw.root / "human").info.num_samples == 3
    run_main("machine", *options, "--annotation-ids", listed, "--machine-annotated")
    assert ShardReader(raw.root / "machine").info.num_samples == 21
    with pytest.raises(SystemExit):
        run_main("neither", *options, "--machine-annotated")
    assert "needs --annotation-ids" in capsys.readouterr().err
