import numpy as np

from handvit.datasets.token_cache import frame_blocks
from handvit.datasets.token_cache.frame_blocks import (
    FrameBlocks,
    block_extent,
    block_path,
    missing_blocks,
    write_block,
)


def piece(*numbers: int) -> dict[str, np.ndarray]:
    return {
        "tokens": np.array([[n, n] for n in numbers]),
        "name": np.array([b"x" * (n + 1) for n in numbers]),
    }


def test_blocks_cover_the_frames():
    assert [block_extent(number, 24) for number in range(3)] == [(0, 10), (10, 20), (20, 24)]


def test_frames_come_back_from_their_block(tmp_path):
    for view in range(2):
        for number in range(2):
            start = 100 * view + 10 * number
            numbers = range(start, start + 10)
            write_block(tmp_path, view, number, [piece(*numbers[:3]), piece(*numbers[3:])])
    blocks = FrameBlocks(tmp_path)
    for view, place in ((0, 0), (0, 9), (1, 10), (1, 19)):
        arrays, row = blocks.frame(view, place)
        assert arrays["tokens"][row].tolist() == [100 * view + place] * 2
        assert len(arrays["name"][row]) == 100 * view + place + 1


def test_what_is_missing_is_told(tmp_path):
    write_block(tmp_path, 0, 1, [piece(1)])
    assert missing_blocks(tmp_path, num_views=2, num_frames=20) == [(0, 0), (1, 0), (1, 1)]
    assert missing_blocks(tmp_path, num_views=1, num_frames=10) == [(0, 0)]


def test_only_some_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_blocks, "_MAX_OPEN", 2)
    for number in range(4):
        write_block(tmp_path, 0, number, [piece(number)])
    blocks = FrameBlocks(tmp_path)
    for number in range(4):
        blocks.frame(0, 10 * number)
    block_path(tmp_path, 0, 0).unlink()
    block_path(tmp_path, 0, 3).unlink()
    blocks.frame(0, 30)  # still mapped
    assert blocks._map.cache_info().currsize == 2
