"""Write the table of all recipes: parameters, GFLOPs of a frame and a clip, memory of training.

    python tools/analysis_tools/list_recipes.py [--write configs/README.md]

Prints Markdown, or puts it in the section "recipes" of a page, between the lines <!-- recipes -->
and <!-- /recipes -->. How the numbers are counted: see get_flops.py.
"""

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from handvit.analysis import measure_file, recipe_files, recipe_table
from handvit.marked_section import check_section, write_section

SECTION = "recipes"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every recipe, a process for each core."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configs", type=Path, default=Path("configs"), help="their folder")
    parser.add_argument("--write", type=Path, metavar="FILE", help="page in that folder to update")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--num-workers", type=int, default=cores, help="processes")
    args = parser.parse_args(arguments)

    if args.write is not None:
        check_section(args.write, SECTION)  # now, not after the work
    files = recipe_files(args.configs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.num_workers, mp_context=context) as pool:
        measured = list(tqdm(pool.map(measure_file, files), total=len(files), unit="recipe"))
    names = [path.relative_to(args.configs).as_posix() for path in files]
    table = recipe_table(dict(zip(names, measured, strict=True)))
    if args.write is not None:
        write_section(args.write, SECTION, table)
    else:
        print(table)


if __name__ == "__main__":
    main()
