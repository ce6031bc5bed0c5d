"""Render a synthetic data set: ``make_synthetic.py data/synthetic/train --num-singles 20000``.

The same seed gives the same files, whatever the number of workers. A run that was stopped goes on
where it was when it is started again with the same arguments.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from handvit.datasets.synthetic import SyntheticPlan, produce


def main(arguments: Sequence[str] | None = None) -> None:
    """Render what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder to fill: new, empty, or begun before")
    parser.add_argument("--num-singles", type=int, default=0, help="images outside sequences")
    parser.add_argument("--num-sequences", type=int, default=0, help="sequences at 30 frames/s")
    parser.add_argument("--sequence-length", type=int, default=32, help="frames in a sequence")
    parser.add_argument("--image-size", type=int, default=160, help="side of an image in px")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other hands")
    parser.add_argument("--split", default="train", help="name; other splits give other hands")
    parser.add_argument("--num-workers", type=int, default=os.cpu_count(), help="processes")
    args = parser.parse_args(arguments)

    try:
        plan = SyntheticPlan(
            split=args.split,
            seed=args.seed,
            num_singles=args.num_singles,
            num_sequences=args.num_sequences,
            sequence_length=args.sequence_length,
            image_size=args.image_size,
        )
        with tqdm(total=plan.num_frames, unit="hand") as bar:
            info = produce(args.root, plan, num_workers=args.num_workers, report=bar.update)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted; repeat the command to go on\n")
    print(f"{args.root}: {info.num_samples} samples in {len(info.shards)} shards")


if __name__ == "__main__":
    main()
