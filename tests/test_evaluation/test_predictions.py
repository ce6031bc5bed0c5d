import json

import numpy as np
import pytest

from handvit.evaluation.predictions import PredictionFile, PredictionHeader


@pytest.fixture
def predictions(truth) -> PredictionFile:
    rng = np.random.default_rng(0)
    return PredictionFile(
        header=PredictionHeader(hand_model="openhand:0123456789ab", config="c.py", checkpoint="x"),
        sample_id=truth.sample_id,
        frame_time=truth.frame_time,
        is_right=truth.is_right,
        keypoints_cam=truth.keypoints_cam,
        root_cam=truth.keypoints_cam[:, 0],
        global_orient=rng.normal(size=(21, 3)),
        hand_pose=rng.normal(size=(21, 45)),
        betas=rng.normal(size=(21, 10)),
        focal=truth.focal,
        princpt=truth.princpt,
        bbox_xyxy=truth.bbox_xyxy,
    )


def rewrite(path, **changes) -> None:
    """Replace arrays of an archive; ``None`` removes one."""
    with np.load(path) as archive:
        arrays = {**archive, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def rewrite_header(path, **changes) -> None:
    with np.load(path) as archive:
        header = json.loads(str(archive["header"]))
    rewrite(path, header=np.array(json.dumps({**header, **changes})))


def test_what_is_saved_is_loaded(predictions, tmp_path):
    path = tmp_path / "new" / "predictions.npz"
    predictions.save(path)
    loaded = PredictionFile.load(path)
    assert loaded.header == predictions.header
    assert loaded.sample_id.tolist() == predictions.sample_id.tolist()
    assert (loaded.frame_time == predictions.frame_time).all()
    assert (loaded.is_right == predictions.is_right).all()
    assert loaded.keypoints_cam.dtype == np.float64
    for name in ("keypoints_cam", "root_cam", "hand_pose", "betas", "bbox_xyxy", "focal"):
        assert np.allclose(getattr(loaded, name), getattr(predictions, name), rtol=1e-6)
    assert [file.name for file in path.parent.iterdir()] == ["predictions.npz"]


def test_a_file_can_be_written_again(predictions, tmp_path):
    path = tmp_path / "p.npz"
    predictions.save(path)
    predictions.select(np.array([2, 0])).save(path)
    assert PredictionFile.load(path).sample_id.tolist() == predictions.sample_id[[2, 0]].tolist()


def test_numpy_alone_reads_it(predictions, tmp_path):
    path = tmp_path / "p.npz"
    predictions.save(path)
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
        assert header["units"] == "m"
        assert header["frame"] == "opencv camera of the stored image"
        assert header["hand_model"] == "openhand:0123456789ab"
        assert archive["keypoints_cam"].shape == (21, 21, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format_version 2, this handvit reads 1; predict again"),
        ({"units": "mm"}, "units 'mm'"),
        ({"frame": "opengl"}, "frame 'opengl'"),
        ({"author": "me"}, "header holds"),
    ],
)
def test_other_headers_are_refused(predictions, tmp_path, changes, message):
    path = tmp_path / "p.npz"
    predictions.save(path)
    rewrite_header(path, **changes)
    with pytest.raises(ValueError, match=rf"p\.npz: .*{message}"):
        PredictionFile.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"betas": None}, r"missing columns \['betas'\]"),
        ({"joints": np.zeros(3)}, r"unknown columns \['joints'\]"),
        ({"betas": np.zeros((20, 10))}, r"betas has shape \(20, 10\), want \(21, 10\)"),
        ({"sample_id": np.array(["d/s/c/0/right"] * 21)}, "occurs 21 times"),
        ({"header": None}, "no 'header' inside"),
        ({"header": np.array("{")}, "header is not JSON"),
        ({"betas": np.array([None])}, "not a readable prediction file"),
    ],
)
def test_damaged_files_are_refused(predictions, tmp_path, changes, message):
    path = tmp_path / "p.npz"
    predictions.save(path)
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=rf"p\.npz: .*{message}"):
        PredictionFile.load(path)


def test_other_files_are_refused(tmp_path, predictions):
    path = tmp_path / "p.npz"
    with pytest.raises(FileNotFoundError):
        PredictionFile.load(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"p\.npz: no \.npz file"):
        PredictionFile.load(path)
    predictions.save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cut short"):
        PredictionFile.load(path)
