import json

import numpy as np
import pytest

from handvit.datasets.converters.freihand import files as freihand_files
from handvit.datasets.converters.freihand.files import NUM_PHOTOS, load_labels, photo_of

SHAPES = {"K": (3, 3), "xyz": (21, 3), "verts": (778, 3), "mano": (1, 61)}


@pytest.fixture(params=["training", "evaluation"])
def split(request, monkeypatch):
    monkeypatch.setitem(freihand_files.NUM_PHOTOS, request.param, 2)
    return request.param


@pytest.fixture
def root(tmp_path, split):
    for name, shape in SHAPES.items():
        text = json.dumps(np.random.default_rng(0).normal(size=(2, *shape)).tolist())
        (tmp_path / f"{split}_{name}.json").write_text(text)
    return tmp_path


def test_labels_are_those_of_the_files(root, split):
    labels = load_labels(root, split)
    for array, (name, shape) in zip(labels, SHAPES.items(), strict=True):
        assert array.shape == (2, *shape)
        np.testing.assert_array_equal(
            array, json.loads((root / f"{split}_{name}.json").read_text())
        )


REQUIRED = [("training", name) for name in SHAPES] + [
    ("evaluation", name) for name in ("K", "xyz", "verts")
]


@pytest.mark.parametrize(("split", "name"), REQUIRED, indirect=["split"])
def test_missing_files_are_an_error(root, split, name):
    (root / f"{split}_{name}.json").unlink()
    with pytest.raises(ValueError, match=rf"{split}_{name}\.json: cannot be read .*get FreiHAND"):
        load_labels(root, split)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("text", ["", "[[[1, 2", "[[[1, 2]]]", '{"a": 1}'])
def test_damaged_files_are_an_error(root, split, name, text):
    (root / f"{split}_{name}.json").write_text(text)
    with pytest.raises(ValueError, match=rf"{split}_{name}\.json: .*; get FreiHAND v2"):
        load_labels(root, split)


@pytest.mark.parametrize("name", SHAPES)
def test_nan_is_an_error(root, split, name):
    array = np.full((2, *SHAPES[name]), np.nan)
    (root / f"{split}_{name}.json").write_text(json.dumps(array.tolist()))
    with pytest.raises(ValueError, match=rf"{split}_{name}\.json: entry 0 .*finite"):
        load_labels(root, split)


@pytest.mark.parametrize("name", SHAPES)
def test_files_of_another_length_are_an_error(root, split, name):
    entries = json.loads((root / f"{split}_{name}.json").read_text())
    (root / f"{split}_{name}.json").write_text(json.dumps(entries[:1]))
    with pytest.raises(ValueError, match=rf"{split}_{name}\.json: 1 entries, want 2; get Frei"):
        load_labels(root, split)


def test_evaluation_may_have_no_labels(tmp_path, monkeypatch):
    monkeypatch.setitem(freihand_files.NUM_PHOTOS, "evaluation", 2)
    (tmp_path / "evaluation_K.json").write_text(json.dumps(2 * [np.eye(3).tolist()]))
    labels = load_labels(tmp_path, "evaluation")
    assert labels.intrinsics.shape == (2, 3, 3)
    assert labels.keypoints is labels.vertices is labels.mano is None


@pytest.mark.parametrize("split", ["evaluation"], indirect=True)
def test_evaluation_may_have_no_mano(root, split):
    (root / "evaluation_mano.json").unlink()
    labels = load_labels(root, split)
    assert labels.mano is None and labels.vertices is not None


def test_photo_of_an_image():
    assert NUM_PHOTOS == {"training": 32_560, "evaluation": 3_960}
    assert photo_of(12, "training") == 12
    assert photo_of(32_560, "training") == 0
    assert photo_of(130_239, "training") == 32_559
    assert photo_of(3_959, "evaluation") == 3_959


def test_versions_of_a_real_photo_have_the_same_labels(shared_data):
    """Images whose numbers differ by 32,560 show one hand: their published 2D labels are equal."""
    content = json.loads((shared_data / "freihand_2d" / "test_freihand.json").read_text())
    by_photo: dict[int, list] = {}
    for annotation in content["annotations"]:
        photo = photo_of(annotation["image_id"], "training")
        by_photo.setdefault(photo, []).append(annotation["keypoints"])
    assert {photo: len(versions) for photo, versions in by_photo.items()} == {355: 4, 17620: 4}
    for versions in by_photo.values():
        assert all(version == versions[0] for version in versions)
    assert by_photo[355][0] != by_photo[17620][0]
