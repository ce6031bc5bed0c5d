import pytest

from handvit.datasets.conversion.converter import RawFrame


def test_a_frame_reads_its_file_when_asked(tmp_path):
    frame = RawFrame.of_file(tmp_path / "0001.jpg", [])
    assert frame.where.endswith("0001.jpg")
    with pytest.raises(FileNotFoundError):
        frame.read()
    (tmp_path / "0001.jpg").write_bytes(b"now it is there")
    assert frame.read() == b"now it is there"
