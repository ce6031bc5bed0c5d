import io
import json
import tarfile
from contextlib import closing

import pytest

from handvit.datasets.converters.hot3d.clips import ClipArchive, list_clips

FILES = {
    "000000.info.json": b'{"device": "Aria"}',
    "000000.image_214-1.jpg": b"pixels",
    "000001.info.json": b"{",
    "__hand_shapes.json__": b'{"mano": []}',
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "clip-000007.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def root(tmp_path):
    """The lists of a download of which no clip is there."""
    definitions = {
        str(clip): {
            "sequence_id": f"P000{clip}_aa",
            "device": device,
            "per_frame_timestamps_ns": [{}] * 150,
        }
        for clip, device in ((1, "Aria"), (2, "Aria"), (3, "Quest3"), (4, "Quest3"))
    }
    splits = {"train": {"Aria": [2, 1], "Quest3": [3]}, "test_ht_pose": {"Quest3": [4]}}
    (tmp_path / "clip_definitions.json").write_text(json.dumps(definitions))
    (tmp_path / "clip_splits.json").write_text(json.dumps(splits))
    return tmp_path


def test_files_are_read_by_name(path):
    with closing(ClipArchive(path)) as archive:
        assert archive.read("000000.image_214-1.jpg") == b"pixels"
        assert archive.parse("000000.info.json", lambda record: record["device"]) == "Aria"
        assert archive.where("a.json") == f"{path}/a.json"


def test_the_shape_file_with_its_odd_name_is_there(path):
    with closing(ClipArchive(path)) as archive:
        assert archive.parse("__hand_shapes.json__", dict) == {"mano": []}


def test_what_is_wrong_is_named(path):
    def refuse(record):
        raise ValueError("device: missing")

    with closing(ClipArchive(path)) as archive:
        with pytest.raises(FileNotFoundError, match=r"clip-000007.tar/2.jpg: no such file in the"):
            archive.read("2.jpg")
        with pytest.raises(ValueError, match=r"clip-000007.tar/2.json: no such file in the clip"):
            archive.parse("2.json", dict)
        with pytest.raises(ValueError, match=r"clip-000007.tar/000001.info.json: Expecting"):
            archive.parse("000001.info.json", dict)
        with pytest.raises(ValueError, match=r"tar/000000.info.json: device: missing"):
            archive.parse("000000.info.json", refuse)


@pytest.mark.parametrize("size", [0, 100, 700, 1200])
def test_cut_off_and_other_files_are_refused(path, size):
    content = path.read_bytes()
    path.write_bytes(content[:size])
    with pytest.raises(ValueError, match=r"clip-000007.tar: not a complete tar .* download it"):
        ClipArchive(path)
    path.write_bytes(b"<html>".ljust(2000, b" "))
    with pytest.raises(ValueError, match=r"clip-000007.tar: not a complete tar"):
        ClipArchive(path)


def test_clips_of_a_split(root):
    clips = list_clips(root, ["Aria", "Quest3"])
    assert [clip.path.relative_to(root).as_posix() for clip in clips] == [
        "train_aria/clip-000001.tar",
        "train_aria/clip-000002.tar",
        "train_quest3/clip-000003.tar",
    ]
    assert [clip.device for clip in clips] == ["Aria", "Aria", "Quest3"]
    assert clips[0][2:] == ("P0001_aa", 150) and clips[0].participant == "P0001"


@pytest.mark.parametrize("name", ["clip_definitions.json", "clip_splits.json"])
def test_missing_and_broken_lists_are_named_with_their_origin(root, name):
    for content, problem in ((b"{", "not readable JSON"), (b"[]", "not a JSON object")):
        (root / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}: {problem}.*; get HOT3D-Clips from"):
            list_clips(root, ["Aria"])
    (root / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: not found; get HOT3D-Clips from"):
        list_clips(root, ["Aria"])


def test_splits_and_definitions_must_agree(root):
    (root / "clip_definitions.json").write_text('{"1": {"sequence_id": "P0001_aa"}}')
    with pytest.raises(ValueError, match=r"clip 1 lacks 'per_frame_timestamps_ns'; get HOT3D"):
        list_clips(root, ["Aria"])
    with pytest.raises(ValueError, match=r"clip_definitions.json: clip 3 lacks '3'"):
        list_clips(root, ["Quest3"])
    (root / "clip_splits.json").write_text('{"test_bop": {"Aria": [1]}}')
    with pytest.raises(ValueError, match=r"clip_splits.json: split 'train' is missing"):
        list_clips(root, ["Aria"])


@pytest.mark.parametrize("folder", [".", "P0003_aa", "Aria/P0003_aa"])
@pytest.mark.parametrize("version", [None, 1, "1.0", "v1", 2])
def test_recordings_of_the_vrs_release_are_refused_by_name(tmp_path, folder, version):
    record = {"recording_name": "P0003_aa", "headset": "Aria", "version": version}
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "metadata.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"metadata.json: a recording of HOT3D's VRS") as raised:
        list_clips(tmp_path, ["Aria"])
    is_first = "version 1, whose MANO thumbs are wrong" in str(raised.value)
    assert is_first == (version in (1, "1.0", "v1")) and "get HOT3D-Clips" in str(raised.value)


def test_other_metadata_does_not_matter(root):
    (root / "metadata.json").write_text('{"title": "my copy"}')
    assert len(list_clips(root, ["Aria"])) == 2
