import numpy as np

from handvit.datasets.token_cache.token_cache_writer import (
    BATCHES_PER_PART,
    TokenCacheWriter,
    map_parts,
    part_path,
)


def batch(number: int) -> dict[str, np.ndarray]:
    return {"tokens": np.full((2, 3), number), "name": np.array([f"a{number}", f"b{number}"])}


def fill(writer: TokenCacheWriter, num_batches: int) -> None:
    for number in range(writer.num_batches, num_batches):
        writer.add(batch(number))


def test_batches_come_back_in_their_order(tmp_path):
    fill(TokenCacheWriter(tmp_path / "cache", num_parts=2), 2 * BATCHES_PER_PART)
    parts = map_parts(tmp_path / "cache")
    assert len(parts) == 2
    found = np.concatenate([part["tokens"][:, 0] for part in parts])
    assert found.tolist() == np.repeat(np.arange(2 * BATCHES_PER_PART), 2).tolist()
    assert parts[1]["name"][0] == f"a{BATCHES_PER_PART}"


def test_a_broken_off_writer_goes_on_behind_its_parts(tmp_path):
    fill(TokenCacheWriter(tmp_path, num_parts=3), BATCHES_PER_PART + 3)
    writer = TokenCacheWriter(tmp_path, num_parts=3)
    assert writer.num_batches == BATCHES_PER_PART
    fill(writer, 3 * BATCHES_PER_PART)
    values = [part["tokens"][0, 0] for part in map_parts(tmp_path)]
    assert values == [0, BATCHES_PER_PART, 2 * BATCHES_PER_PART]


def test_the_last_part_is_written_again(tmp_path):
    """A whole cache without its description was broken off just before the end."""
    fill(TokenCacheWriter(tmp_path, num_parts=2), 2 * BATCHES_PER_PART)
    assert TokenCacheWriter(tmp_path, num_parts=2).num_batches == BATCHES_PER_PART


def test_a_missing_part_is_made_up_for(tmp_path):
    fill(TokenCacheWriter(tmp_path, num_parts=3), 3 * BATCHES_PER_PART)
    part_path(tmp_path, 0).unlink()
    assert TokenCacheWriter(tmp_path, num_parts=3).num_batches == 0
