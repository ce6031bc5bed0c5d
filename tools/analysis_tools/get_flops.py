"""Say what a recipe costs: parameters, FLOPs of a prediction, memory of training.

    python tools/analysis_tools/get_flops.py CONFIG [--batch-size 32] [--json FILE] \\
        [--cfg-options model.backbone.gradient_checkpointing=True ...]

Needs neither weights, nor MANO, nor a GPU: the model is built with shapes alone. A multiply-add
counts as two FLOPs; operations on single elements do not count. A recipe for clips predicts one
frame from all frames of a clip. Memory is that of one GPU in units of 2^30 bytes; CUDA itself
takes about half a GiB more, and the buckets of several GPUs as much as the trained weights.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import DictAction

from handvit.analysis import RecipeCost, measure_recipe, sum_counts
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
    if args.json:
        args.json.write_text(json.dumps(cost.to_json(), indent=2) + "\n")


def format_cost(cost: RecipeCost) -> str:
    """Return lines to read: one for each part of the model, then the memory."""
    counts = {**cost.parameters, "all": sum_counts(cost.parameters.values())}
    flops = {**cost.flops, "all": sum(cost.flops.values())}
    lines = [f"{'':12}{'parameters/M':>14}{'trained/M':>12}{'GFLOPs':>12}"]
    lines += [
        f"{name:12}{count.total / 1e6:14.2f}{count.trainable / 1e6:12.2f}{flops[name] / 1e9:12.2f}"
        for name, count in counts.items()
    ]
    memory = {**cost.memory._asdict(), "all": cost.memory.total}
    lines += [
        f"crops of {cost.crop_size} px, {cost.num_frames} frames a clip",
        f"training at batch size {cost.batch_size}, GiB: "
        + ", ".join(f"{name} {size / 2**30:.2f}" for name, size in memory.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
