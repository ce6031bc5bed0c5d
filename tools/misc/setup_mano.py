"""Convert the MANO files that you downloaded into the safe files that HandViT reads.

MANO may not be redistributed: register at https://mano.is.tue.mpg.de, accept its licence and
download "Models & Code". Then run, once on each machine:

    python tools/misc/setup_mano.py path/to/mano_v1_2

The right hand is required; the left one is converted when it is there, with its shape directions
mirrored (the official file stores them un-mirrored).
"""

import argparse
from dataclasses import replace
from pathlib import Path

from handvit.hand_models.mano_assets import (
    MANO,
    HandAsset,
    asset_from_arrays,
    fix_left_shapedirs,
    save_hand_asset,
)
from handvit.hand_models.mano_pickle import load_mano_pickle

RIGHT_NAME, LEFT_NAME = "MANO_RIGHT.pkl", "MANO_LEFT.pkl"


def find_pickles(source: Path) -> tuple[Path, Path | None]:
    """Return MANO's right file and, if there is one, the left file beside it.

    Raises:
        ValueError: there is no right file, or more than one.
    """
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    folder = source if source.is_dir() else source.parent
    found = sorted(folder.rglob(RIGHT_NAME)) if source.is_dir() else [folder / RIGHT_NAME]
    if len(found) != 1 or not found[0].is_file():
        raise ValueError(
            f"{source}: want one {RIGHT_NAME} in it, found {sum(p.is_file() for p in found)};"
            " name the folder of the unpacked MANO download"
        )
    left = found[0].with_name(LEFT_NAME)
    return found[0], left if left.is_file() else None


def convert(right_path: Path, left_path: Path | None) -> list[HandAsset]:
    """Load and check MANO's pickles, the left one with mirrored shape directions."""
    right_arrays = load_mano_pickle(right_path)
    assets = [asset_from_arrays(right_arrays, name=MANO, is_right=True, path=right_path)]
    if left_path is not None:
        left_arrays = load_mano_pickle(left_path)
        left = asset_from_arrays(left_arrays, name=MANO, is_right=False, path=left_path)
        shapedirs = fix_left_shapedirs(left.shapedirs, assets[0].shapedirs)
        assets.append(replace(left, shapedirs=shapedirs))
    return assets


def main(arguments: list[str] | None = None) -> None:
    """Convert, write, and say what to put into a config."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "path", type=Path, help=f"folder with {RIGHT_NAME} (and {LEFT_NAME}), or one of the files"
    )
    parser.add_argument("--out", type=Path, default=Path("data/mano"), help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        assets = convert(*find_pickles(options.path))
    except ValueError as error:
        parser.exit(1, f"error: {error}\n")
    for asset in assets:
        path = options.out / f"MANO_{'RIGHT' if asset.is_right else 'LEFT'}.npz"
        save_hand_asset(asset, path)
        print(f"wrote {path}: {asset.identity}")
    source = (options.out / "MANO_RIGHT.npz").as_posix()
    print(f"use it in a config:  hand_model = dict(type='ManoLayer', source='{source}')")


if __name__ == "__main__":
    main()
