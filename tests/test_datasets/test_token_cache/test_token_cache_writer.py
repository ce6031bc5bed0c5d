import pytest
import torch
from torch import nn

from handvit.datasets.token_cache import CachedTokenDataset
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.frame_blocks import block_path, missing_blocks
from handvit.datasets.token_cache.run_views import Piece, RunPieces, cut_piece
from handvit.datasets.token_cache.token_cache_writer import (
    PartWriter,
    TokenMaker,
    bytes_per_frame,
)
from handvit.structures import HandTokens


class MeanColour(nn.Module):
    """A model whose two patch tokens are the mean colour of the crop."""

    def __init__(self, preprocessor) -> None:
        super().__init__()
        self.data_preprocessor = preprocessor
        self.linear = nn.Linear(3, 3)

    def extract_tokens(self, crops) -> HandTokens:
        colour = self.linear(crops.crop.mean((-1, -2)))[:, :, None]  # (B, T, 1, 3)
        return HandTokens(colour[:, :, :0], colour.expand(-1, -1, 2, 3), (1, 2))


def steps(writer, make) -> list[int]:
    return list(writer.write(make, seed=0, piece_length=4, num_workers=0))


def test_pieces_are_of_one_run_and_one_block(writer, make):
    assert writer.num_missing == 48
    assert steps(writer, make) == 2 * [4, 2, 4, 2, 4, 2, 2, 4]


def test_what_is_there_is_not_computed_again(cache, dataset, make):
    folder = cache / "part00"
    before = block_path(folder, 1, 1).read_bytes()
    block_path(folder, 1, 1).unlink()
    writer = PartWriter(cache, dataset, number=0, weight=1.0, num_views=2)
    assert writer.num_missing == 10
    assert sum(steps(writer, make)) == 10
    assert block_path(folder, 1, 1).read_bytes() == before


def test_a_broken_off_writer_leaves_whole_blocks(writer, make, tmp_path):
    step = writer.write(make, seed=0, piece_length=10, num_workers=0)
    for _ in range(3):  # two runs, and a part of the second block
        next(step)
    step.close()
    folder = tmp_path / "cache" / "part00"
    assert missing_blocks(folder, num_views=1, num_frames=24) == [(0, 1), (0, 2)]


def test_workers_read_the_same(cache, dataset, make, tmp_path):
    writer = PartWriter(tmp_path / "other", dataset, number=0, weight=1.0, num_views=2)
    list(writer.write(make, seed=0, piece_length=4, num_workers=2))
    for path in (cache / "part00").iterdir():
        assert (tmp_path / "other" / "part00" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_tokens_are_those_of_the_model(dataset, preprocessor, dtype):
    model = MeanColour(preprocessor)
    piece = RunPieces(dataset, CachedFrames.of(dataset), [Piece(0, 2, 5)], seed=(0,))[0]
    expected = model.extract_tokens(cut_piece(preprocessor, piece)).all[0].to(dtype)
    found = TokenMaker(model, dtype=dtype, autocast=False)(piece)["tokens"]
    assert torch.equal(torch.from_numpy(found).view(dtype), expected)
    rounded = TokenMaker(model, dtype=torch.float32, autocast=True)(piece)["tokens"]
    assert torch.equal(torch.from_numpy(rounded).bfloat16().float(), torch.from_numpy(rounded))


def test_tokens_take_what_their_dtype_takes():
    assert bytes_per_frame(257, 1024, torch.bfloat16) == 257 * 1024 * 2
    assert bytes_per_frame(257, 1024, torch.float32) == 257 * 1024 * 4


def test_a_cache_made_so_can_be_read(cache):
    assert len(CachedTokenDataset(cache)) == 48
