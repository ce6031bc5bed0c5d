import pickle
from pathlib import Path

import numpy as np
import pytest

from handvit.datasets.converters.ho3d.files import (
    BAD_META,
    NO_LABELS,
    NUM_FRAMES,
    OTHER_META,
    Ho3dFrame,
    Ho3dTree,
    read_frame_list,
    read_meta,
)

SHAPES = {"camMat": (3, 3), "handBeta": (10,)}


@pytest.fixture
def root(tmp_path):
    """Two sequences of version 2, whose files are empty."""
    for sequence in ("SM2", "ABF10"):
        for kind, suffix in (("rgb", "png"), ("meta", "pkl")):
            (tmp_path / "train" / sequence / kind).mkdir(parents=True)
            (tmp_path / "train" / sequence / kind / f"0007.{suffix}").touch()
    (tmp_path / "train.txt").write_text("SM2/0007\nABF10/0007\n\n")
    return tmp_path


def test_tree_of_a_split(root):
    tree = Ho3dTree(root, split="train", version="v2")
    assert tree.frames == [Ho3dFrame("SM2", "0007", 0), Ho3dFrame("ABF10", "0007", 1)]
    assert tree.image(tree.frames[1]) == root / "train/ABF10/rgb/0007.png"
    assert tree.meta(tree.frames[0]) == root / "train/SM2/meta/0007.pkl"


def test_the_other_version_is_refused(root):
    with pytest.raises(ValueError, match=r"0007\.png: this is HO3D v2, not v3; say --version v2"):
        Ho3dTree(root, split="train", version="v3")
    image = root / "train" / "SM2" / "rgb" / "0007.png"
    image.rename(image.with_suffix(".jpg"))
    with pytest.raises(ValueError, match=r"0007\.jpg: this is HO3D v3, not v2"):
        Ho3dTree(root, split="train", version="v2")


def test_missing_images_are_left_to_the_view(root):
    for sequence in ("SM2", "ABF10"):
        (root / "train" / sequence / "rgb" / "0007.png").unlink()
    assert len(Ho3dTree(root, split="train", version="v2").frames) == 2


def test_numbers_of_frames_as_published():
    """The list of version 3 has 83,325 lines; another number that is in circulation is stale."""
    assert NUM_FRAMES["v3", "train"] == 83_325
    assert sum(NUM_FRAMES["v2", split] for split in ("train", "evaluation")) == 77_558
    assert sum(NUM_FRAMES["v3", split] for split in ("train", "evaluation")) == 103_462


def test_missing_sequences_are_named(root):
    (root / "train.txt").write_text("SM2/0007\nMC1/0000\nGSF10/0001\n")
    with pytest.raises(ValueError, match=r"train: 2 of 3 sequences that train\.txt lists.*GSF10"):
        Ho3dTree(root, split="train", version="v2")


@pytest.mark.parametrize(
    "text",
    ["SM2/0007\nSM2\n", "SM2/0007\nSM2/0007\n", "", "\n", "SM2/7\n", "../0007\n", "a/b/0007\n"],
)
def test_damaged_lists_are_named(root, text):
    (root / "train.txt").write_text(text)
    with pytest.raises(ValueError, match=r"train\.txt: (line \d: .* is no new|is empty)"):
        read_frame_list(root / "train.txt")


def test_lists_that_cannot_be_read_are_named(root):
    (root / "train.txt").write_bytes(b"\xff\xfe")
    for name in ("train.txt", "evaluation.txt"):
        with pytest.raises(ValueError, match=rf"{name}: cannot be read .*get the data set"):
            read_frame_list(root / name)


def write_meta(folder: Path, content: dict) -> Path:
    (folder / "0007.pkl").write_bytes(pickle.dumps(content, 2))
    return folder / "0007.pkl"


def test_fields_of_a_label_file(tmp_path):
    content = {"camMat": np.eye(3, dtype=np.float32), "handBeta": list(range(10)), "objName": "a"}
    fields = read_meta(write_meta(tmp_path, content), SHAPES)
    assert fields.keys() == SHAPES.keys()
    assert all(field.dtype == np.float64 for field in fields.values())
    assert fields["handBeta"].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("beta", "reason"),
    [
        (None, NO_LABELS),
        (np.zeros(9), OTHER_META),
        (np.zeros((10, 1)), OTHER_META),
        (np.full(10, np.nan), OTHER_META),
        (10 * [None], OTHER_META),
        ("text", OTHER_META),
        ([[1], [2, 3]], OTHER_META),
    ],
)
def test_wrong_fields_are_rejected(tmp_path, beta, reason):
    path = write_meta(tmp_path, {"camMat": np.eye(3), "handBeta": beta})
    rejection = read_meta(path, SHAPES)
    assert rejection.reason == reason
    assert str(path) in rejection.where and "handBeta" in rejection.where


@pytest.mark.parametrize("content", [{"camMat": np.eye(3)}, [1, 2], None])
def test_missing_fields_are_rejected(tmp_path, content):
    rejection = read_meta(write_meta(tmp_path, content), SHAPES)
    assert rejection.reason == OTHER_META and "0007.pkl" in rejection.where


class Touch:
    """Pickle as a call that leaves a trace."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return eval, (f"open({str(self.marker)!r}, 'w').close()",)


def test_files_that_are_no_honest_pickles_are_rejected(tmp_path):
    marker = tmp_path / "executed"
    good = pickle.dumps({"camMat": np.eye(3), "handBeta": np.zeros(10)}, 2)
    path = tmp_path / "0007.pkl"
    for content in (b"", good[:100], good[:-1], pickle.dumps({"camMat": Touch(marker)})):
        path.write_bytes(content)
        rejection = read_meta(path, SHAPES)
        assert rejection.reason == BAD_META and str(path) in rejection.where
    path.unlink()
    assert read_meta(path, SHAPES).reason == BAD_META
    assert not marker.exists()
