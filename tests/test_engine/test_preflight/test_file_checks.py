import pytest

from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.file_checks import check_files


def problems(**content):
    return [str(problem) for problem in check_files(Block("part", content))]


def test_what_is_there_is_no_problem(shards_root, tmp_path):
    (tmp_path / "config.json").touch()
    assert problems(type="HandClipDataset", data_root=str(shards_root)) == []
    assert problems(type="HFViT", pretrained=str(tmp_path)) == []
    assert problems(type="HFViT", pretrained=None) == []
    assert problems(type="HandHead", statistics=str(tmp_path / "config.json")) == []
    assert problems(type="HandHead", statistics=dict(hand_model="openhand")) == []
    assert problems(type="ManoLayer", source="openhand") == []


@pytest.mark.parametrize(
    ("content", "wrong", "fix"),
    [
        (dict(type="D", data_root="nowhere"), "no such folder", "make_synthetic.py"),
        (dict(type="D", data_root="."), "holds no dataset.json", "converter"),
        (dict(type="V", pretrained="w/dinov2-base"), "no Hugging Face", "/dinov2-base --local-dir"),
        (dict(type="H", statistics="s.json"), "no such file", "compute_statistics.py ROOT --out s"),
        (dict(type="ManoLayer", source="data/M.npz"), "no such file", "setup_mano.py"),
        (dict(type="CachedTokenDataset", root="c"), "holds no token_cache", "cache_tokens.py"),
    ],
)
def test_what_is_missing_is_named_with_the_fix(content, wrong, fix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (line,) = problems(**content)
    assert line.startswith("part.") and wrong in line and fix in line
