"""Say what a recipe costs: parameters, FLOPs of a prediction, memory of training.

    python tools/analysis_tools/get_flops.py CONFIG [--batch-size 32] [--json FILE] \\
        [--cfg-options model.backbone.gradient_checkpointing=True ...]

Needs neither weights, nor MANO, nor a GPU: the model is built with shapes alone. A multiply-add
counts as two FLOPs; operations on single elements do not count. A frame is the next one of a
stream, whose past a recipe for clips remembers; a clip is one prediction from all of its frames.
Memory is that of one GPU in units of 2^30 bytes; CUDA itself takes about half a GiB more, and the
buckets of several GPUs as much as the trained weights.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import DictAction

from handvit.analysis import RecipeCost, measure_recipe, sum_counts
from handvit.atomic_file import atomic_file
from handvit.engine.launch import load_config, prepare_environment


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="recipe, such as configs/stage1/dino_large.py")
    parser.add_argument("--batch-size", type=int, default=32, help="clips a step and GPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args(arguments)

    prepare_environment(local_rank=0)
    cost = measure_recipe(load_config(args.config, args.cfg_options), batch_size=args.batch_size)
    print(format_cost(cost))
    if args.json is not None:
        with atomic_file(args.json) as file:
            file.write(json.dumps(cost.to_json(), indent=2).encode() + b"\n")


def format_cost(cost: RecipeCost) -> str:
    """Return lines to read: one for each part of the model, then the memory."""
    counts = {**cost.parameters, "all": sum_counts(cost.parameters.values())}
    columns = {
        "parameters/M": {name: count.total / 1e6 for name, count in counts.items()},
        "trained/M": {name: count.trainable / 1e6 for name, count in counts.items()},
        "GFLOPs a frame": _giga(cost.frame_flops),
    }
    if cost.num_frames > 1:
        columns["GFLOPs a clip"] = _giga(cost.clip_flops)
    lines = [" " * 12 + "".join(f"{title:>16}" for title in columns)]
    lines += [
        f"{name:12}" + "".join(f"{values[name]:16.2f}" for values in columns.values())
        for name in counts
    ]
    memory = {**cost.memory._asdict(), "all": cost.memory.total}
    lines += [
        f"crops of {cost.crop_size} px, {cost.num_frames} frames a clip",
        f"training at batch size {cost.batch_size}, GiB: "
        + ", ".join(f"{name} {size / 2**30:.2f}" for name, size in memory.items()),
    ]
    return "\n".join(lines)


def _giga(flops: Mapping[str, int]) -> dict[str, float]:
    """Return billions, by part and of all."""
    return {name: count / 1e9 for name, count in [*flops.items(), ("all", sum(flops.values()))]}


if __name__ == "__main__":
    main()
