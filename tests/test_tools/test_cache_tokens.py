from pathlib import Path

import pytest

from handvit.datasets.token_cache import CachedTokenDataset, token_cache_writer

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")
STAGE2 = str(ROOT / "configs" / "demo" / "stage2_tiny_t7.py")


@pytest.fixture
def cache(load_tool, run_tool, tmp_path, tiny_options, shards_root):
    """Return ``cache(*options)``: the tool with stage 1's weights, writing ``tmp_path / cache``."""
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, *tiny_options, "train_cfg.max_iters=2")
    data = f"train_dataloader.dataset.data_root={shards_root}"
    tiny = [option for option in tiny_options if "dataset.datasets" not in option]
    command = [STAGE2, str(tmp_path / "iter_2.pth"), "--out", str(tmp_path / "cache")]

    def run(*options: str, num_clips: int = 40) -> Path:
        arguments = [*command, "--num-clips", str(num_clips), *tiny, data, *options]
        load_tool("misc/cache_tokens.py").main(arguments)
        return tmp_path / "cache"

    return run


def test_it_writes_whole_parts_and_tells_their_size(cache, capsys):
    dataset = CachedTokenDataset(cache())
    assert len(dataset) == 64  # two parts of eight batches of four
    assert dataset.info.dtype == "bfloat16" and dataset.info.clip_length == 7
    assert "GB to write" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        cache()
    assert stop.value.code == 2
    assert "holds a complete cache; remove it" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_to_the_same_cache(cache, tmp_path, monkeypatch, capsys):
    whole = cache().rename(tmp_path / "whole")
    add = token_cache_writer.TokenCacheWriter.add
    calls = []

    def interrupted_add(self, columns):
        calls.append(columns)
        if len(calls) == 12:
            raise KeyboardInterrupt
        add(self, columns)

    monkeypatch.setattr(token_cache_writer.TokenCacheWriter, "add", interrupted_add)
    with pytest.raises(SystemExit) as stop:
        cache()
    assert stop.value.code == 130
    assert "repeat the command to go on" in capsys.readouterr().err
    cache()
    assert len(calls) == 12 + 8  # the first part was there
    for path in whole.iterdir():
        assert (tmp_path / "cache" / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_cache_is_not_mixed_in(cache, monkeypatch, capsys):
    def interrupted_add(self, columns):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(token_cache_writer.TokenCacheWriter, "add", interrupted_add)
        with pytest.raises(SystemExit):
            cache()
    with pytest.raises(SystemExit):
        cache("randomness.seed=7")
    assert "was begun with another seed" in capsys.readouterr().err


def test_what_cannot_be_cached_is_named(cache, capsys):
    for options, message in (
        (["model.frozen=[head]"], "model.frozen lacks ['backbone', 'neck']"),
        (["train_dataloader.dataset.data_root=nowhere"], "nowhere"),
    ):
        with pytest.raises(SystemExit) as stop:
            cache(*options)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


def test_a_small_disk_is_told_before_the_work(load_tool, tmp_path):
    with pytest.raises(ValueError, match=r"the cache needs 1000000\.0 GB, but .* are free"):
        load_tool("misc/cache_tokens.py").check_space(tmp_path, 10**15)
