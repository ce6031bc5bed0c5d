from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("misc/browse_dataset.py")


def test_a_contact_sheet_is_written(tool, shards_root, tmp_path, capsys):
    out = tmp_path / "new" / "sheet.png"
    options = ["--num-samples", "5", "--columns", "3", "--size", "96"]
    tool.main([str(shards_root), "--out", str(out), *options])
    sheet = cv2.imread(str(out))
    assert sheet.shape == (4 + 2 * 100, 4 + 3 * 100, 3)
    assert (sheet[105:, 205:] == 255).all()  # the sixth place is empty
    assert "5 of the 24 samples of tiny" in capsys.readouterr().out


def test_a_small_data_set_is_shown_whole(tool, shards_root, tmp_path):
    out = tmp_path / "sheet.jpg"
    tool.main([str(shards_root), "--out", str(out), "--num-samples", "99", "--columns", "24"])
    assert cv2.imread(str(out)).shape[1] == 4 + 24 * 260


def test_unlabelled_keypoints_are_not_drawn(tool, make_sample):
    sample = make_sample()
    drawn = tool.draw_sample(sample, 128)
    sample.keypoints_img_valid = np.zeros(21, dtype=bool)
    bare = tool.draw_sample(sample, 128)
    assert (drawn != bare).any()


def test_captions(tool, make_sample):
    sample = make_sample(track=1, frame=3)
    depth = f"{sample.keypoints_cam[0, 2]:.3f}"
    assert tool.caption(sample) == ["sequence0/cam0/00003", f"left, z {depth} m"]
    sample.camera_valid = False
    assert tool.caption(sample)[1] == "left, z unknown"


def test_other_formats_are_refused(tool, shards_root, tmp_path):
    with pytest.raises(SystemExit):
        tool.main([str(shards_root), "--out", str(tmp_path / "sheet.gif")])


def test_the_crops_of_an_iteration_are_those_of_a_training(
    tool, tmp_path, tiny_options, monkeypatch, capsys
):
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(root)
    config = str(root / "configs" / "demo" / "stage1_tiny.py")
    sheets = []
    for iteration in (0, 1, 1):
        out = tmp_path / f"{len(sheets)}.png"
        options = ["--iteration", str(iteration), "--columns", "1", "--out", str(out)]
        tool.main(["--config", config, *options, *tiny_options])
        sheets.append(cv2.imread(str(out)))
    assert sheets[0].shape == (4 + 4 * 36, 4 + 64 + 4, 3)  # four hands: skeleton and mesh
    assert (sheets[1] == sheets[2]).all() and (sheets[0] != sheets[1]).any()
    assert "4 hands of iteration 1" in capsys.readouterr().out


def test_one_of_folder_and_config_is_needed(tool, tmp_path, capsys):
    with pytest.raises(SystemExit):
        tool.main(["--out", str(tmp_path / "sheet.png")])
    assert "give either ROOT or --config" in capsys.readouterr().err
