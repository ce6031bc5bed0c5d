from pathlib import Path

import pytest

from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.file_checks import CONVERTERS, check_files

TOOLS = Path(__file__).resolve().parents[3] / "tools"


def problems(**content):
    return [str(problem) for problem in check_files(Block("part", content))]


def test_what_is_there_is_no_problem(shards_root, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    assert problems(type="HandClipDataset", data_root=str(shards_root)) == []
    assert problems(type="HFViT", pretrained=str(tmp_path)) == []
    assert problems(type="HFViT", pretrained=None) == []
    assert problems(type="HandHead", statistics=str(tmp_path / "config.json")) == []
    assert problems(type="HandHead", statistics=dict(hand_model="openhand")) == []
    assert problems(type="ManoLayer", source="openhand") == []


@pytest.mark.parametrize(
    ("content", "wrong", "fix"),
    [
        (dict(type="D", data_root="nowhere"), "no such folder", "make_synthetic.py nowhere"),
        (dict(type="D", data_root="."), "holds no dataset.json", "converter"),
        (
            dict(type="D", data_root="data/shards/dexycb_s0_train"),
            "no such folder",
            "dataset_converters/dexycb.py SRC data/shards/dexycb_s0_train --split SPLIT",
        ),
        (
            dict(type="D", data_root="data/handgraph/x"),
            "no such",
            "dataset_converters/handgraph.py",
        ),
        (dict(type="D", data_root="data/quickstart/val"), "no such folder", "tools/quickstart.sh"),
        (dict(type="V", pretrained="w/dinov2-base"), "no Hugging Face", "/dinov2-base --local-dir"),
        (dict(type="V", pretrained="unfinished"), "no Hugging Face", "hf download"),
        (dict(type="H", statistics="s.json"), "no such file", "DATA_ROOT ... --out s.json"),
        (dict(type="ManoLayer", source="data/M.npz"), "no such file", "setup_mano.py"),
        (dict(type="CachedTokenDataset", root="c"), "holds no token_cache", "cache_tokens.py"),
    ],
)
def test_what_is_missing_is_named_with_the_fix(content, wrong, fix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").touch()
    (line,) = problems(**content)
    assert line.startswith("part.") and wrong in line and fix in line


def test_a_damaged_data_set_says_what_is_wrong_with_it(tmp_path):
    (tmp_path / "dataset.json").write_text("{}")
    (line,) = problems(type="D", data_root=str(tmp_path))
    assert "must be an object with exactly the keys" in line


def test_all_converters_are_known():
    tools = {tool.stem for tool in (TOOLS / "dataset_converters").glob("*.py")}
    assert tools - {"template"} == set(CONVERTERS)


def test_the_commands_exist():
    for tool in ("make_synthetic", "compute_statistics", "setup_mano", "cache_tokens"):
        assert (TOOLS / "misc" / f"{tool}.py").is_file()
