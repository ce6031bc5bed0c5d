"""Convert the hand-graph real-world set: ``handgraph.py SRC DST --split train``."""

import argparse
from collections.abc import Sequence

from handvit.datasets import ShardWriter
from handvit.datasets.converters.handgraph import SPLITS, handgraph_info, handgraph_samples


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one split as a data set folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="folder with images/, params.mat and pose_gt.mat")
    parser.add_argument("destination", help="new data set folder, such as data/handgraph/train")
    parser.add_argument("--split", choices=sorted(SPLITS), required=True)
    args = parser.parse_args(arguments)

    with ShardWriter(args.destination, info=handgraph_info(args.split)) as writer:
        for sample in handgraph_samples(args.source, args.split):
            writer.add(sample)
    print(f"{args.destination}: {writer.info.num_samples} samples")


if __name__ == "__main__":
    main()
