"""The walk through docs/add_a_module.md works as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIECE = re.compile(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEP = """
import json
from handvit.analysis.plain_crops import plain_crops
from handvit.engine.launch import load_config, prepare_environment
from handvit.registry import MODELS

prepare_environment(local_rank=0)
cfg = load_config("my_project/configs/field_of_view_tiny.py")
model = MODELS.build(cfg.model)
crops = plain_crops(2, crop_size=cfg.model.data_preprocessor.crop_size)
sum(model(crops, mode="loss").values()).backward()
trained = [p.grad is not None for p in model.parameters() if p.requires_grad]
print(json.dumps([type(model.neck).__name__, all(trained)]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The four pieces as files, beside the configs of the repository."""
    root = tmp_path_factory.mktemp("walk")
    page = (ROOT / "docs" / "add_a_module.md").read_text()
    for path, code in PIECE.findall(page):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(code)
    (root / "configs").symlink_to(ROOT / "configs")
    return root


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_page_has_its_four_pieces(folder):
    found = sorted(str(path.relative_to(folder)) for path in folder.glob("my_project/**/*.py"))
    assert found == [
        "my_project/__init__.py",
        "my_project/configs/field_of_view_tiny.py",
        "my_project/field_of_view_token.py",
        "my_project/test_field_of_view_token.py",
    ]


def test_the_config_trains_the_new_part(folder):
    result = run(folder, "-c", STEP)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == ["FieldOfViewToken", True]


def test_the_test_passes_and_would_fail(folder):
    test = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "my_project/test_field_of_view_token.py",
    )
    result = run(folder, *test)
    assert result.returncode == 0 and "3 passed" in result.stdout, result.stdout

    module = folder / "my_project" / "field_of_view_token.py"
    right = module.read_text()
    module.write_text(right.replace("/ crops.focal_crop", "* crops.focal_crop"))
    result = run(folder, *test)
    module.write_text(right)
    assert result.returncode == 1 and "1 failed, 2 passed" in result.stdout, result.stdout
