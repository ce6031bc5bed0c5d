import io
import json
import pickle
import tarfile

import numpy as np
import pytest

from handvit.datasets.converters.cs_vit2.clips import ARRAYS, clips_of, open_clip

NUM_FRAMES = 2


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def members(first: float = 0.0, **changes) -> dict[str, bytes | None]:
    """The members of a clip; ``None`` leaves one out."""
    arrays = {
        f"{name}.npy": npy(np.full((NUM_FRAMES, *shape), first, np.float32))
        for name, shape in ARRAYS.items()
    }
    other = {
        "imgs_path.json": json.dumps(["a/0.jpg", "a/1.jpg"]).encode(),
        "img_bytes.pickle": pickle.dumps([b"zero", np.frombuffer(b"one", np.uint8)]),
        "handedness.json": b'"left"',
        "data_source.json": b'"ho3d"',
        "intr_type.json": b'"real"',
    }
    names = {name.replace("__", "."): value for name, value in changes.items()}
    return {**other, **arrays, **names}


@pytest.fixture
def write(tmp_path):
    """Return ``write({key: members})``: a tar."""

    def write(clips, name="worker0-000000.tar"):
        with tarfile.open(tmp_path / name, "w") as tar:
            for key, content in clips.items():
                for member, data in content.items():
                    if data is not None:
                        info = tarfile.TarInfo(f"{key}.{member}")
                        info.size = len(data)
                        tar.addfile(info, io.BytesIO(data))
        return tmp_path / name

    return write


def only_clip(tar):
    ((start, stop, _),) = clips_of(tar)
    return open_clip(tar, start, stop)


def test_clips_are_found_and_read_again_by_their_place(write):
    tar = write({"x/1_l": members(1.0), "x/2_l": members(2.0), "x/3_l": members(3.0)})
    found = [(start, stop, clip.where) for start, stop, clip in clips_of(tar)]
    assert [where for _, _, where in found] == [f"{tar}: clip x/{i}_l" for i in (1, 2, 3)]
    for value, (start, stop, where) in enumerate(found, start=1):
        clip = open_clip(tar, start, stop)
        assert clip.where == where and len(clip) == 2
        assert clip.paths == ["a/0.jpg", "a/1.jpg"] and not clip.is_right
        assert clip.source == "ho3d" and clip.has_real_camera
        assert clip.images() == [b"zero", b"one"]
        for name, shape in ARRAYS.items():
            np.testing.assert_array_equal(clip.array(name), np.full((2, *shape), float(value)))
            assert clip.array(name).dtype == np.float64


def test_members_of_later_versions_may_be_missing(write):
    clip = only_clip(write({"a": members(data_source__json=None, intr_type__json=None)}))
    assert clip.source == "" and clip.has_real_camera


@pytest.mark.parametrize("kind", ["fixed_virtual", "pseudo", "none"])
def test_invented_cameras_are_not_real(write, kind):
    clip = only_clip(write({"a": members(intr_type__json=json.dumps(kind).encode())}))
    assert not clip.has_real_camera


@pytest.mark.parametrize("name", ["imgs_path.json", "img_bytes.pickle", "has_intr.npy"])
def test_missing_members_are_named(write, name):
    tar = write({"7_l": {**members(), name: None}})
    with pytest.raises(ValueError, match=rf"000000\.tar: clip 7_l: member {name} is missing"):
        list(clips_of(tar))


@pytest.mark.parametrize("size", [10, 700, 5000, -11000, -10240])
def test_cut_tars_are_named(write, size):
    tar = write({"1_l": members(), "2_l": members()})
    tar.write_bytes(tar.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"worker0-000000\.tar"):
        list(clips_of(tar))


def test_tar_that_is_cut_between_two_clips_is_named(write):
    tar = write({"1_l": members(), "2_l": members()})
    _, stop, _ = next(clips_of(tar))
    tar.write_bytes(tar.read_bytes()[:stop])
    with pytest.raises(ValueError, match=r"000000\.tar: has no end mark, so it is cut"):
        list(clips_of(tar))


def test_tar_that_changed_is_named(write):
    tar = write({"1_l": members()})
    ((start, stop, _),) = clips_of(tar)
    for spoil in (lambda: tar.write_bytes(b"x" * tar.stat().st_size), tar.unlink):
        spoil()
        with pytest.raises(ValueError, match=r"000000\.tar: has changed at byte 0"):
            open_clip(tar, start, stop)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("imgs_path.json", b'"a.jpg"', "no list of one path a frame"),
        ("imgs_path.json", b"[]", "no list of one path a frame"),
        ("imgs_path.json", b"[1, 2]", "something else than paths"),
        ("imgs_path.json", b'["a', "not readable"),
        ("handedness.json", b'"Right"', "says 'Right', want 'left' or 'right'"),
    ],
)
def test_wrong_texts_are_named(write, name, content, message):
    with pytest.raises(ValueError, match=rf"clip a: {name}.*{message}"):
        list(clips_of(write({"a": {**members(), name: content}})))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93NUMPY\x01\x00", "not readable"),
        (b"", "not readable"),
        (npy(np.zeros((3, 2))), r"float64 of shape \(3, 2\), want numbers of shape \(2, 2\)"),
        (npy(np.zeros((2, 2), "U1")), "want numbers"),
        (npy(np.array([{}, {}], object)), "not readable"),
    ],
)
def test_wrong_arrays_are_named(write, content, message):
    clip = only_clip(write({"a": {**members(), "focal.npy": content}}))
    with pytest.raises(ValueError, match=rf"clip a: focal\.npy.*{message}"):
        clip.array("focal")


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return eval, (f"open({str(self.path)!r}, 'w')",)


def test_hostile_pickle_runs_nothing(write, tmp_path):
    content = pickle.dumps([b"image", Attack(tmp_path / "executed")])
    clip = only_clip(write({"a": members(img_bytes__pickle=content)}))
    with pytest.raises(ValueError, match=r"clip a: img_bytes\.pickle: refused"):
        clip.images()
    assert not (tmp_path / "executed").exists()


def test_hostile_array_runs_nothing(write, tmp_path):
    content = npy(np.array([Attack(tmp_path / "executed")], object))
    clip = only_clip(write({"a": members(focal__npy=content)}))
    with pytest.raises(ValueError, match="not readable"):
        clip.array("focal")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([b"one"], "no list of 2 images"),
        ({"a": b"one"}, "no list of 2 images"),
        ([b"one", "two"], "something else than encoded images"),
    ],
)
def test_wrong_images_are_named(write, images, message):
    clip = only_clip(write({"a": members(img_bytes__pickle=pickle.dumps(images))}))
    with pytest.raises(ValueError, match=rf"clip a: img_bytes\.pickle.*{message}"):
        clip.images()


def test_cut_pickle_is_named(write):
    content = pickle.dumps([b"one", b"two"])[:-6]
    clip = only_clip(write({"a": members(img_bytes__pickle=content)}))
    with pytest.raises(ValueError, match=r"clip a: img_bytes\.pickle: not a readable pickle"):
        clip.images()


def test_folders_in_a_tar_are_no_members(write, tmp_path):
    tar = tmp_path / "with_folder.tar"
    with tarfile.open(write({"x/1_l": members()})) as source, tarfile.open(tar, "w") as target:
        folder = tarfile.TarInfo("x")
        folder.type = tarfile.DIRTYPE
        target.addfile(folder)
        for member in source:
            target.addfile(member, source.extractfile(member))
    ((start, stop, _),) = clips_of(tar)
    assert open_clip(tar, start, stop).images() == [b"zero", b"one"]
