"""Average the weights of several checkpoints of one run; the mean often measures better than each.

    python tools/misc/average_checkpoints.py work_dirs/RUN/iter_*.pth --out work_dirs/RUN/mean.pth

All count the same (Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018). Of a run with
an EMA, the averages that its checkpoints hold are averaged once more. The result has weights only:
test it, or start from it with ``load_from``; it has no optimizer to resume.

Running statistics of batch norms are averaged like weights, which is not what the averaged network
would measure. The paper (sec. 3.2) recomputes them with one more pass over the training data. That
is not done here, so results of models with batch norms (ResNet, MobileViT) may be worse than each.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handvit.atomic_file import atomic_file
from handvit.engine.checkpoints import read_checkpoint


def average(paths: list[Path]) -> dict[str, Any]:
    """Return a checkpoint with the mean of the weights; one file is read at a time.

    What is not floating point, such as counters, and the ``meta`` are those of the checkpoint with
    the most iterations.

    Raises:
        ValueError: a file is refused, does not belong with the first, or has the same iteration as
            another, whose weights would then count twice.
    """
    first = latest = read_weights(paths[0])
    sums = {
        name: value.double()
        for name, value in first["state_dict"].items()
        if value.is_floating_point()
    }
    iterations = [first["meta"]["iter"]]
    for path in paths[1:]:
        checkpoint = read_weights(path)
        check_same_run(checkpoint, path, first, paths[0])
        if checkpoint["meta"]["iter"] in iterations:
            twin = paths[iterations.index(checkpoint["meta"]["iter"])]
            raise ValueError(
                f"checkpoint {path}: is of iteration {checkpoint['meta']['iter']} like {twin};"
                " leave one of them out"
            )
        for name, total in sums.items():
            total += checkpoint["state_dict"][name]
        iterations.append(checkpoint["meta"]["iter"])
        if iterations[-1] == max(iterations):
            latest = checkpoint
    weights = latest["state_dict"]
    means = {name: (total / len(paths)).to(weights[name].dtype) for name, total in sums.items()}
    meta = {**latest["meta"], "averaged_iters": sorted(iterations)}
    return {"meta": meta, "state_dict": {**weights, **means}}


def read_weights(path: Path) -> dict[str, Any]:
    """Read ``state_dict`` and ``meta`` of a checkpoint.

    Raises:
        ValueError: the file is refused, or does not say what it is.
    """
    checkpoint = read_checkpoint(path)
    missing = sorted({"iter", "hand_model"} - checkpoint["meta"].keys())
    if missing:
        raise ValueError(
            f"checkpoint {path}: its 'meta' has no {missing}; it was not written by HandViT"
        )
    return {key: checkpoint[key] for key in ("meta", "state_dict")}


def check_same_run(
    checkpoint: dict[str, Any], path: Path, first: dict[str, Any], first_path: Path
) -> None:
    """Compare hand model, and names, shapes and types of the weights.

    Raises:
        ValueError: they differ; it names the file and the first key in question.
    """
    differs = f"checkpoint {path} does not belong with {first_path}"
    own, other = (content["meta"]["hand_model"] for content in (checkpoint, first))
    if own != other:
        raise ValueError(f"{differs}: trained with hand model {own} instead of {other}")
    found, wanted = (_layout(content["state_dict"]) for content in (checkpoint, first))
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found:
            raise ValueError(f"{differs}: has no {name}")
        if name not in wanted:
            raise ValueError(f"{differs}: has {name}, which is not in the other")
        if found[name] != wanted[name]:
            raise ValueError(f"{differs}: {name} is {found[name]} instead of {wanted[name]}")


def _layout(weights: dict[str, Tensor]) -> dict[str, str]:
    return {name: f"{tuple(value.shape)} {value.dtype}" for name, value in weights.items()}


def main(arguments: list[str] | None = None) -> None:
    """Read, average and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoints", nargs="+", type=Path, metavar="CKPT", help="iter_N.pth of one run"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    options = parser.parse_args(arguments)
    if options.out.resolve() in [path.resolve() for path in options.checkpoints]:
        parser.error(f"--out {options.out}: is one of the checkpoints to average")
    try:
        mean = average(options.checkpoints)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(1, f"error: {error}\n")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(options.out) as file:
        torch.save(mean, file)
    iterations = ", ".join(map(str, mean["meta"]["averaged_iters"]))
    print(f"wrote {options.out}: mean of {len(options.checkpoints)} (iterations {iterations})")


if __name__ == "__main__":
    main()
