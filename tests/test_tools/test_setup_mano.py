import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.sparse import csc_matrix

from handvit.geometry.rotation import axis_angle_to_matrix, mirror_rotation
from handvit.hand_models import ManoLayer
from handvit.hand_models.mano_assets import load_hand_asset


@pytest.fixture(scope="module")
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("misc/setup_mano.py")


def mano_content(*, is_right: bool) -> dict[str, object]:
    """Return the open hand as MANO's files hold it; the left shapedirs are not mirrored there."""
    asset = load_hand_asset("openhand", is_right=is_right)
    parents = np.array([2**32 - 1, *asset.parents[1:]], np.uint32)
    return {
        "v_template": asset.v_template.astype(np.float64),
        "shapedirs": load_hand_asset("openhand").shapedirs.astype(np.float64),
        "posedirs": asset.posedirs.astype(np.float64),
        "J_regressor": csc_matrix(asset.j_regressor.astype(np.float64)),
        "weights": asset.weights.astype(np.float64),
        "f": asset.faces.astype(np.uint32),
        "kintree_table": np.stack([parents, np.arange(16, dtype=np.uint32)]),
        "hands_mean": asset.hands_mean.astype(np.float64),
        "hands_components": asset.hands_components.astype(np.float64),
        "bs_style": "lbs",
    }


def write_pickle(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """Folder laid out like the unpacked MANO download."""
    for is_right, name in ((True, "MANO_RIGHT.pkl"), (False, "MANO_LEFT.pkl")):
        write_pickle(tmp_path / "mano_v1_2" / "models" / name, mano_content(is_right=is_right))
    return tmp_path / "mano_v1_2"


@pytest.mark.parametrize("inside", [".", "models", "models/MANO_RIGHT.pkl", "models/MANO_LEFT.pkl"])
def test_converts_both_hands(tool, download, tmp_path, capsys, inside):
    out = tmp_path / "data" / "mano"
    tool.main([str(download / inside), "--out", str(out)])
    right = load_hand_asset(str(out / "MANO_RIGHT.npz"))
    left = load_hand_asset(str(out / "MANO_LEFT.npz"), is_right=False)
    assert right.sha256 == load_hand_asset("openhand").sha256
    assert left.sha256 == load_hand_asset("openhand", is_right=False).sha256
    printed = capsys.readouterr().out
    assert f"MANO_RIGHT.npz: {right.identity}" in printed and right.identity.startswith("mano:")
    assert f"MANO_LEFT.npz: {left.identity}" in printed
    assert f"source='{(out / 'MANO_RIGHT.npz').as_posix()}'" in printed


def test_converted_hands_mirror_each_other(tool, download, tmp_path):
    tool.main([str(download), "--out", str(tmp_path)])
    pose = axis_angle_to_matrix(0.4 * torch.randn(16, 3, dtype=torch.float64))
    betas = torch.randn(10, dtype=torch.float64)
    right = ManoLayer(str(tmp_path / "MANO_RIGHT.npz")).double()
    left = ManoLayer(str(tmp_path / "MANO_LEFT.npz"), is_right=False).double()
    right_mesh = right(pose[0], pose[1:], betas)
    left_mesh = left(mirror_rotation(pose[0]), mirror_rotation(pose[1:]), betas)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(left_mesh.vertices_rel, right_mesh.vertices_rel * flip)


def test_right_hand_alone_is_enough(tool, download, tmp_path):
    (download / "models" / "MANO_LEFT.pkl").unlink()
    tool.main([str(download), "--out", str(tmp_path / "out")])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["MANO_RIGHT.npz"]


def failure(tool: ModuleType, capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """Run the tool, expect it to stop with an error, and return what it said."""
    with pytest.raises(SystemExit) as stop:
        tool.main([str(argument) for argument in arguments])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_hostile_file_is_not_executed(tool, download, tmp_path, capsys):
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'executed'}",)

    path = download / "models" / "MANO_RIGHT.pkl"
    write_pickle(path, {**mano_content(is_right=True), "v_template": Hostile()})
    message = failure(tool, capsys, download, "--out", tmp_path / "out")
    assert f"{path}: refused" in message and "nothing was executed" in message
    assert not (tmp_path / "executed").exists() and not (tmp_path / "out").exists()


def test_swapped_files_are_noticed(tool, download, tmp_path, capsys):
    write_pickle(download / "models" / "MANO_RIGHT.pkl", mano_content(is_right=False))
    message = failure(tool, capsys, download, "--out", tmp_path / "out")
    assert "MANO_RIGHT.pkl: holds a left hand" in message


def test_left_hand_of_another_model_is_noticed(tool, download, tmp_path, capsys):
    content = mano_content(is_right=False)
    content["shapedirs"] = np.random.default_rng(0).normal(size=(778, 3, 10))
    write_pickle(download / "models" / "MANO_LEFT.pkl", content)
    message = failure(tool, capsys, download, "--out", tmp_path / "out")
    assert "do not belong to the right hand" in message and not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["missing", "."])
def test_missing_files_are_named(tool, tmp_path, capsys, path):
    message = failure(tool, capsys, tmp_path / path, "--out", tmp_path / "out")
    assert str(tmp_path) in message and ("no such file" in message or "found 0" in message)


def test_two_downloads_are_ambiguous(tool, download, capsys, tmp_path):
    write_pickle(download / "copy" / "MANO_RIGHT.pkl", mano_content(is_right=True))
    assert "found 2" in failure(tool, capsys, download, "--out", tmp_path / "out")
