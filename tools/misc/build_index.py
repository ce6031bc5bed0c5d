"""Rebuild indexes and labels of a data set from its tars: ``build_index.py ROOT``.

For tars that were copied alone, changed, or written by another WebDataset writer.
``ROOT/dataset.json`` must exist; its list of shards is written anew.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from handvit.datasets import DatasetInfo, finalize
from handvit.datasets.shards.index_builder import write_index


def main(arguments: Sequence[str] | None = None) -> None:
    """Index every tar of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="data set folder")
    parser.add_argument("--num-workers", type=int, default=1, help="processes")
    args = parser.parse_args(arguments)

    info = DatasetInfo.load(args.root)
    tars = sorted(args.root.glob("*.tar"))
    with ProcessPoolExecutor(args.num_workers) as pool:
        for _ in tqdm(pool.map(write_index, tars), total=len(tars), unit="shard"):
            pass
    info = finalize(args.root, info)
    print(f"{args.root}: {info.num_samples} samples in {len(tars)} shards")


if __name__ == "__main__":
    main()
