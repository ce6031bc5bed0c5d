"""Reserve a folder for one purpose, so that nothing else is ever mixed into it."""

import json
from pathlib import Path
from typing import Any

from handvit.atomic_file import atomic_file


def claim_folder(root: Path, name: str, settings: dict[str, Any]) -> None:
    """Take a folder: a new or empty one, or one that the same settings have begun to fill.

    Args:
        name: file in the folder that holds the settings.
        settings: JSON values.

    Raises:
        ValueError: the folder holds something else; names the differences.
    """
    path = root / name
    settings = json.loads(json.dumps(settings))  # tuples become lists, as they will when read
    # Look at the folder before the file: another process may claim it in between.
    is_used = root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())
    if path.is_file():
        _check_same(path, json.loads(path.read_bytes()), settings)
        return
    if is_used:
        raise ValueError(f"{root}: holds files but no {name}; choose an empty folder")
    root.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(json.dumps(settings, indent=2).encode() + b"\n")


def _check_same(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [
        f"{key} is {found.get(key)!r} there and {wanted.get(key)!r} here"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    ]
    if different:
        raise ValueError(
            f"{path}: the folder was made with other settings: {'; '.join(different)};"
            " choose another folder or the same settings"
        )
