import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE, CropView, FullFrameView
from handvit.datasets.converters.coco_wholebody.converter import (
    NO_KEYPOINTS,
    NOT_FINITE,
    CocoWholeBodyConverter,
    hand_bbox,
)
from handvit.datasets.converters.guessed_camera import guessed_camera

IMAGE_IDS = (391895, 25, 139)  # in the file's order, which is not sorted
PEOPLE = (1100, 1200)  # two persons in each image, from two seeds


@pytest.fixture(scope="module")
def worlds(make_world):
    """Two persons, whose hands are seen by the camera that the converter guesses."""

    def guess(world):
        focal, princpt = guessed_camera(world.cameras[0].size)
        return replace(world, cameras=[replace(world.cameras[0], focal=focal, princpt=princpt)])

    return [guess(make_world(seed=seed, world_is_camera=True)) for seed in (0, 1)]


def annotation(world, frame: int, *, person_id: int, image_id: int) -> dict:
    """The record of a person as published, lists of plain numbers."""
    camera = world.cameras[0]
    record = {"id": person_id, "image_id": image_id, "iscrowd": 0, "category_id": 1}
    for side, hand in world.hands[frame].items():
        points = camera.project(camera.to_cam(hand.keypoints))
        confidence = np.linspace(0.05, 1.7, 21)  # floats, some above 1
        low, high = points.min(0) - 3, points.max(0) + 3
        record[f"{side}hand_box"] = [*low.tolist(), *(high - low).tolist()]
        record[f"{side}hand_kpts"] = np.column_stack([points, confidence]).ravel().tolist()
        record[f"{side}hand_valid"] = True
    return record


@pytest.fixture
def raw(tmp_path, worlds, write_picture):
    """Raw files in their published layout; ``raw.edit(function)`` changes the annotations."""
    images, people = [], []
    for frame, image_id in enumerate(IMAGE_IDS):
        name = f"{image_id:012d}.jpg"
        write_picture(tmp_path / "val2017" / name, worlds[0].picture(frame, worlds[0].cameras[0]))
        width, height = worlds[0].cameras[0].size
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for person_id, world in zip(PEOPLE, worlds, strict=True):
            people.append(annotation(world, frame, person_id=person_id + frame, image_id=image_id))
    path = tmp_path / "annotations" / "coco_wholebody_val_v1.0.json"
    path.parent.mkdir()
    content = {"images": images, "annotations": people, "info": {}, "categories": []}
    path.write_text(json.dumps(content))

    def edit(change) -> None:
        change(content["annotations"])
        path.write_text(json.dumps(content))

    return SimpleNamespace(root=tmp_path, path=path, edit=edit)


def convert(raw, collect, view=FullFrameView()):  # noqa: B008
    return collect(CocoWholeBodyConverter(raw.root, split="val", view=view))


@pytest.mark.parametrize("view", [FullFrameView(), CropView(96, 2.0)])
def test_truth_is_recovered(raw, worlds, collect, assert_truth, view):
    samples, rejected = convert(raw, collect, view)
    assert len(samples) == 12 and not rejected
    for frame, image_id in enumerate(IMAGE_IDS):
        for person_id, world in zip(PEOPLE, worlds, strict=True):
            for side, hand in world.hands[frame].items():
                name = f"val-{image_id:012d}-{person_id + frame}"
                sample = samples[f"coco_wholebody/{name}/cam0/0/{side}"]
                assert sample.keypoints_img_valid.all()
                assert_truth(sample, hand, world.cameras[0], world.pair)


def test_only_2d_is_claimed(raw, collect):
    for sample in convert(raw, collect)[0].values():
        assert not sample.camera_valid and not sample.mano_valid
        assert not sample.keypoints_cam_valid.any() and not sample.keypoints_cam.any()
        assert sample.focal.tolist() == [320.0, 320.0]
        assert sample.princpt.tolist() == [159.5, 119.5]
        assert sample.mano_residual is None


def test_every_hand_is_a_sequence_of_its_own(raw, collect):
    tracks = [sample.track for sample in convert(raw, collect)[0].values()]
    assert len(set(tracks)) == len(tracks)


def test_images_come_in_the_order_of_their_ids(raw, collect):
    samples = list(convert(raw, collect)[0])
    assert [name.split("/")[1][:16] for name in samples[::4]] == [
        f"val-{image_id:012d}" for image_id in sorted(IMAGE_IDS)
    ]
    assert [name[-4:] for name in samples[:2]] == ["left", "ight"]


def test_any_confidence_above_zero_counts_and_zero_does_not(raw, collect):
    def change(people):
        people[0]["lefthand_kpts"][2::3] = [0, 0.001, 1.9] + [0.5] * 18
        people[0]["lefthand_kpts"][:2] = [0, 0]

    raw.edit(change)
    sample = convert(raw, collect)[0]["coco_wholebody/val-000000391895-1100/cam0/0/left"]
    assert sample.keypoints_img_valid.tolist() == [False] + [True] * 20
    assert not sample.keypoints_img[0].any()
    assert sample.bbox_xyxy[0] > 5  # the zeros of the invalid keypoint are not in it


def test_hands_without_labels_are_counted(raw, collect):
    def change(people):
        people[0]["lefthand_kpts"] = [0] * 63
        people[1]["righthand_kpts"][4] = float("nan")
        people[2]["lefthand_box"][0] = float("inf")

    raw.edit(change)
    samples, rejected = convert(raw, collect)
    assert len(samples) == 9
    assert Counter(item.reason for item in rejected) == {NO_KEYPOINTS: 1, NOT_FINITE: 2}
    by_person = {item.where.split(": ")[-1] for item in rejected}
    assert "annotation 1100, left hand" in by_person and str(raw.path) in rejected[0].where


def test_missing_and_broken_images_are_counted(raw, collect):
    (raw.root / "val2017" / "000000000025.jpg").unlink()
    image = raw.root / "val2017" / "000000000139.jpg"
    image.write_bytes(image.read_bytes()[:20])
    samples, rejected = convert(raw, collect)
    assert len(samples) == 4
    assert [item.reason for item in rejected] == [NO_IMAGE, BAD_IMAGE]
    assert "000000000025.jpg" in rejected[0].where and "000000000139.jpg" in rejected[1].where


def test_missing_image_folder_is_named(raw):
    with pytest.raises(ValueError, match=r"train2017: not found; .*cocodataset\.org"):
        CocoWholeBodyConverter(raw.root, split="train", view=FullFrameView())


def test_missing_annotations_are_named(raw):
    raw.path.unlink()
    with pytest.raises(ValueError, match=r"coco_wholebody_val_v1\.0\.json: not found"):
        CocoWholeBodyConverter(raw.root, split="val", view=FullFrameView())


def test_long_splits_are_cut_into_units(raw, monkeypatch):
    monkeypatch.setattr("handvit.datasets.converters.coco_wholebody.converter._IMAGES_PER_UNIT", 2)
    units = CocoWholeBodyConverter(raw.root, split="val", view=FullFrameView()).units()
    assert [unit.num_frames for unit in units] == [2, 1]
    assert len({unit.name for unit in units}) == 2


def test_boxes_hold_the_annotated_box_and_all_keypoints():
    points = np.array([[5.0, 6.0], [30.0, 8.0]])
    assert hand_bbox(np.array([10.0, 2.0, 4.0, 9.0]), points).tolist() == [5, 2, 30, 11]
    assert hand_bbox(np.array([0.0, 0.0, 0.0, 0.0]), points).tolist() == [5, 6, 30, 8]


def test_info_states_what_was_guessed(raw):
    info = CocoWholeBodyConverter(raw.root, split="val", view=FullFrameView()).info
    assert (info.hand_model, info.fingertips) == (None, None)
    assert "focal and princpt are guessed" in info.source


def test_tool_writes_the_same_bytes_with_any_number_of_workers(raw, load_tool, monkeypatch):
    monkeypatch.setattr("handvit.datasets.converters.coco_wholebody.converter._IMAGES_PER_UNIT", 1)
    tars = []
    options = ["--split", "val", "--num-shards", "2", "--image-size", "64"]
    for workers in ("1", "2"):
        target = raw.root / f"out{workers}"
        load_tool("dataset_converters/coco_wholebody.py").main(
            [str(raw.root), str(target), "--num-workers", workers, *options]
        )
        tars.append([path.read_bytes() for path in sorted(target.glob("*.tar"))])
    assert len(tars[0]) == 2 and tars[0] == tars[1]
