from pathlib import Path

import pytest

from handvit.datasets.token_cache import CachedTokenDataset, frame_blocks, token_cache_writer

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")
STAGE2 = str(ROOT / "configs" / "demo" / "stage2_tiny_t7.py")


@pytest.fixture
def cache(load_tool, run_tool, tmp_path, tiny_options, shards_root, monkeypatch):
    """Return ``cache(*options)``: the tool with stage 1's weights, writing ``tmp_path / cache``."""
    monkeypatch.setattr(frame_blocks, "BLOCK_FRAMES", 10)
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, *tiny_options, "train_cfg.max_iters=2")
    data = f"train_dataloader.dataset.data_root={shards_root}"
    tiny = [option for option in tiny_options if "dataset.datasets" not in option]
    command = [STAGE2, str(tmp_path / "iter_2.pth"), "--out", str(tmp_path / "cache")]

    def run(*options: str, arguments: tuple[str, ...] = ("--views", "2")) -> Path:
        load_tool("misc/cache_tokens.py").main([*command, *arguments, *tiny, data, *options])
        return tmp_path / "cache"

    return run


def test_it_writes_all_views_and_tells_their_size(cache, capsys):
    dataset = CachedTokenDataset(cache())
    assert len(dataset) == 48  # two views of 24 frames
    assert dataset.info.dtype == "bfloat16" and dataset.datasets[0].clip_length == 7
    assert dataset.info.augmentation["geometric"]["type"] == "GeometricAugmentation"
    assert "GB to write" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        cache()
    assert stop.value.code == 2
    assert "holds a complete cache; remove it" in capsys.readouterr().err


@pytest.fixture
def interruption(monkeypatch):
    """Let every run be interrupted at its third block, until undone."""
    write, calls = token_cache_writer.write_block, []

    def interrupted_write(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(token_cache_writer, "write_block", interrupted_write)
        yield calls


def test_an_interrupted_run_goes_on_to_the_same_cache(cache, tmp_path, interruption, capsys):
    with pytest.raises(SystemExit) as stop:
        cache()
    assert stop.value.code == 130
    assert "repeat the command to go on" in capsys.readouterr().err
    resumed = cache().rename(tmp_path / "resumed")
    assert len(interruption) == 3 + 4  # two of six blocks were there
    whole = cache()
    paths = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    assert len(paths) == 2 + 6
    for path in paths:
        assert (resumed / path).read_bytes() == (whole / path).read_bytes(), path


def test_another_cache_is_not_mixed_in(cache, interruption, capsys):
    with pytest.raises(SystemExit):
        cache()
    for option, name in (
        ("randomness.seed=7", "seed"),
        ("model.data_preprocessor.geometric.roll=0.3", "augmentation"),
        ("train_dataloader.dataset.indices=20", "parts"),
    ):
        with pytest.raises(SystemExit) as stop:
            cache(option)
        assert stop.value.code == 2
        assert f"was begun with another {name}" in capsys.readouterr().err


def test_what_cannot_be_cached_is_named(cache, capsys):
    for options, message in (
        (["model.frozen=[head]"], "model.frozen lacks ['backbone', 'neck']"),
        (["train_dataloader.dataset.data_root=nowhere"], "nowhere"),
    ):
        with pytest.raises(SystemExit) as stop:
            cache(*options)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cache(arguments=("--views", "0"))
    assert "--views: 0 must be 1 or more" in capsys.readouterr().err


def test_a_small_disk_is_told_before_the_work(load_tool, tmp_path):
    with pytest.raises(ValueError, match=r"the cache needs 1000000\.0 GB, but .* are free"):
        load_tool("misc/cache_tokens.py").check_space(tmp_path, 10**15)


def test_a_stream_cannot_be_cached(load_tool):
    with pytest.raises(ValueError, match=r"train_dataloader\.dataset: a list cannot be cached"):
        load_tool("misc/cache_tokens.py").parts_of([])
