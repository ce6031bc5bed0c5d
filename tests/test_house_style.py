"""Hold the rules of CONTRIBUTING.md that a linter cannot check."""

import ast
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "handvit"
MAX_LINES = 400
MAX_ARGUMENTS = 8
# Modules that only hold a constant or a list of names.
UNTESTED = {"__init__.py", "version.py"}
# What `import handvit` must not load: it takes seconds, or is not needed by every user.
HEAVY = ("torch", "mmengine", "mmcv", "transformers", "kornia", "smplx", "wandb", "cv2", "scipy")
# Installed under another name than imported.
DISTRIBUTIONS = {"cv2": "opencv-python", "mmcv": "mmcv-lite", "PIL": "pillow", "yaml": "pyyaml"}
MACHINE_PATH = re.compile(r"""["'\s(=](/home/|/Users/|/root/|/mnt/|/tmp/|~/|[A-Z]:\\\\)""")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


ALL_FILES = python_files("handvit", "tools", "configs", "projects", "tests")
SOURCE_FILES = python_files("handvit", "tools")


def assert_none(found: list[Path] | list[str], rule: str) -> None:
    lines = [str(item).removeprefix(f"{ROOT}/") for item in found]
    assert not lines, "\n".join([f"{rule}:", *lines])


def imported_modules(path: Path) -> set[str]:
    """Names of all absolute imports of a file, also those inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module)
    return modules


def signatures(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of arguments of every function of a file, `self` and `cls` not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [a.arg for a in [*node.args.posonlyargs, *node.args.args]]
            own = names[:1] in (["self"], ["cls"])
            yield f"{node.name} (line {node.lineno})", len(names) + len(node.args.kwonlyargs) - own


def required(name: str) -> set[str]:
    """Names of the distributions in a file of requirements/."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return {re.split(r"[<>=;~! ]", line)[0].lower() for line in lines} - {"", "#"}


def mirror(module: Path) -> Path:
    """Where the tests of a module of the package live."""
    folders = [f"test_{part}" for part in module.relative_to(PACKAGE).parent.parts]
    return ROOT.joinpath("tests", *folders, f"test_{module.name}")


def test_no_file_is_too_long():
    long_files = [path for path in ALL_FILES if len(path.read_text().splitlines()) > MAX_LINES]
    assert_none(long_files, f"more than {MAX_LINES} lines: split by concept")


def test_no_function_has_too_many_arguments():
    found = [
        f"{path}: {name} has {count}"
        for path in ALL_FILES
        for name, count in signatures(path)
        if count > MAX_ARGUMENTS
    ]
    assert_none(found, f"at most {MAX_ARGUMENTS} arguments: pass modules, not their arguments")


def test_every_module_has_its_test_file():
    modules = [path for path in python_files("handvit") if path.name not in UNTESTED]
    missing = [mirror(path) for path in modules if not mirror(path).is_file()]
    assert_none(missing, "each module of handvit/ has a test file that mirrors its path")


def test_helpers_have_a_home():
    nameless = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    found = [path for path in ALL_FILES if path.name in nameless]
    assert_none(found, "name a file for its concept")


def test_files_are_ascii():
    text = [*ALL_FILES, *(ROOT / "tools").rglob("*.sh"), *ROOT.glob("*.md")]
    assert_none([path for path in text if not path.read_bytes().isascii()], "ASCII only")


@pytest.mark.parametrize("outside", ["projects", "tools", "tests"])
def test_package_imports_nothing_from_outside_itself(outside):
    found = [
        path
        for path in python_files("handvit")
        if any(module.split(".")[0] == outside for module in imported_modules(path))
    ]
    assert_none(found, f"handvit/ never imports {outside}/")


def test_package_does_not_print():
    found = [
        f"{path}:{node.lineno}"
        for path in python_files("handvit")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"print", "breakpoint"}
    ]
    assert_none(found, "handvit/ logs or returns; only tools/ print")


def test_no_machine_paths():
    found = [
        path
        for path in python_files("handvit", "tools", "configs", "projects")
        if MACHINE_PATH.search(path.read_text())
    ]
    assert_none(found, "data lies under data/, results under work_dirs/")


def test_requirements_name_every_imported_library():
    own = {"handvit", *sys.stdlib_module_names, *(path.stem for path in python_files("tools"))}
    imported = {module.split(".")[0] for path in SOURCE_FILES for module in imported_modules(path)}
    known = required("runtime") | required("optional")
    missing = {DISTRIBUTIONS.get(name, name) for name in imported - own} - known
    assert_none(sorted(missing), "requirements/{runtime,optional}.txt do not name")


def test_every_requirement_but_torch_is_pinned():
    pins = required("constraints")
    ranges = required("runtime") | required("tests") | required("optional")
    assert ranges - pins == {"torch"}, "run tools/misc/pin_requirements.sh"


def test_importing_the_package_is_light():
    code = f"import sys, handvit; print(*[name for name in {HEAVY} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stdout.split() == []


@pytest.mark.parametrize("tool", python_files("tools"), ids=lambda tool: tool.stem)
def test_tool_answers_help(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(tool), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(tool), run_name="__main__")
    assert stopped.value.code == 0
    assert "usage:" in capsys.readouterr().out
