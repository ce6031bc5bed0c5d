import json
from types import SimpleNamespace

import numpy as np
import pytest

from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE, CropView, FullFrameView
from handvit.datasets.converters.template import BAD_RECORD, TemplateConverter, to_points
from handvit.datasets.shards.shard_reader import ShardReader

NUM_FRAMES = 2


@pytest.fixture(scope="module")
def worlds(make_world):
    return {
        f"walk{seed}": make_world(num_frames=NUM_FRAMES, world_is_camera=True, seed=seed)
        for seed in (0, 1)
    }


@pytest.fixture
def raw(tmp_path, worlds, write_picture):
    """The folder that the module describes; ``raw.edit(path, change)`` changes a record."""
    for name, world in worlds.items():
        camera = world.cameras[0]
        for frame, hands in enumerate(world.hands):
            path = tmp_path / "train" / name / f"{frame:06d}.jpg"
            write_picture(path, world.picture(frame, camera))
            record = {
                "seconds": frame / 30,
                "focal": camera.focal.tolist(),
                "princpt": camera.princpt.tolist(),
                "hands": [
                    {
                        "side": side,
                        "keypoints_img": camera.project(hand.keypoints).tolist(),
                        "keypoints_cam": hand.keypoints.tolist(),
                    }
                    for side, hand in hands.items()
                ],
            }
            path.with_suffix(".json").write_text(json.dumps(record))

    def edit(path: str, change) -> None:
        record = json.loads((tmp_path / path).read_bytes())
        change(record)
        (tmp_path / path).write_text(json.dumps(record))

    return SimpleNamespace(root=tmp_path, edit=edit)


def convert(raw, collect, view=FullFrameView()):  # noqa: B008
    return collect(TemplateConverter(raw.root, split="train", view=view))


@pytest.mark.parametrize("view", [FullFrameView(), CropView(96, 2.0)])
def test_truth_is_recovered(raw, worlds, collect, assert_truth, view):
    samples, rejected = convert(raw, collect, view)
    assert len(samples) == 8 and not rejected
    for name, world in worlds.items():
        for frame, hands in enumerate(world.hands):
            for side, hand in hands.items():
                sample = samples[f"mine/train-{name}/cam0/{frame:06d}/{side}"]
                assert sample.camera_valid and sample.frame_time == frame / 30
                assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
                assert_truth(sample, hand, world.cameras[0], world.pair)


def test_without_a_wrist_there_is_no_3d(raw, collect):
    def change(record):
        record["hands"][0]["keypoints_cam"][0] = None

    raw.edit("train/walk0/000000.json", change)
    sample = convert(raw, collect)[0]["mine/train-walk0/cam0/000000/right"]
    assert not sample.keypoints_cam_valid.any() and not sample.keypoints_cam.any()


def test_null_is_not_annotated(raw, collect):
    def change(record):
        record["hands"][0]["keypoints_img"][3] = None
        record["hands"][0]["keypoints_cam"] = [None] * 21

    raw.edit("train/walk0/000000.json", change)
    sample = convert(raw, collect)[0]["mine/train-walk0/cam0/000000/right"]
    assert np.flatnonzero(~sample.keypoints_img_valid).tolist() == [3]
    assert not sample.keypoints_img[3].any() and not sample.keypoints_cam_valid.any()


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("focal"),
        lambda record: record["hands"][0].pop("keypoints_cam"),
        lambda record: record["hands"][1]["keypoints_img"].pop(),
        lambda record: record["hands"][1]["keypoints_img"].__setitem__(2, [1.0, float("nan")]),
        lambda record: record["hands"][0].update(keypoints_img=[None] * 21),
    ],
)
def test_bad_records_are_counted(raw, collect, change):
    raw.edit("train/walk1/000001.json", change)
    samples, rejected = convert(raw, collect)
    assert len(samples) == 6 and [item.reason for item in rejected] == [BAD_RECORD]
    assert "walk1/000001.json" in rejected[0].where


def test_missing_and_broken_files_are_counted(raw, collect):
    folder = raw.root / "train" / "walk0"
    (folder / "000000.jpg").unlink()
    (folder / "000001.jpg").write_bytes(b"\xff\xd8\xff")
    (raw.root / "train" / "walk1" / "000000.json").write_text('{"seconds": ')
    samples, rejected = convert(raw, collect)
    assert len(samples) == 2
    assert [item.reason for item in rejected] == [NO_IMAGE, BAD_IMAGE, BAD_RECORD]


def test_empty_folder_is_named(raw):
    with pytest.raises(ValueError, match=r"val: holds no SEQUENCE/FRAME\.json"):
        TemplateConverter(raw.root, split="val", view=FullFrameView())


def test_points_by_hand():
    points, valid = to_points([None, [1, 2]] + [None] * 19, 2)
    assert valid.tolist() == [False, True] + [False] * 19
    assert points[1].tolist() == [1.0, 2.0] and points.sum() == 3


def test_tool_writes_a_data_set(raw, load_tool, capsys):
    target = raw.root / "out"
    options = ["--split", "train", "--num-workers", "1", "--image-size", "64"]
    load_tool("dataset_converters/template.py").main([str(raw.root), str(target), *options])
    assert "8 samples in 1 shards" in capsys.readouterr().out
    reader = ShardReader(target)
    assert len(reader) == 8 and reader.info.name == "mine"
    assert reader.read_sample(0).image_size == (64, 64)
