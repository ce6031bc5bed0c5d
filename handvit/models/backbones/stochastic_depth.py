"""Skip residual blocks at random in training, deeper ones more often."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def add_stochastic_depth(model: nn.Module, blocks: Sequence[nn.Module], rate: float) -> None:
    """Let block l of L be skipped with probability ``rate * l / L`` (Huang et al. 2016, eq. 4).

    It replaces the models' own drop path, which some checkpoints switch on and which ramps in some
    families only.

    Raises:
        ValueError: ``rate`` is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"backbone: drop_path={rate} must be in [0, 1), e.g. 0.1")
    for module in model.modules():
        if type(module).__name__.endswith("DropPath"):
            module.drop_prob = 0.0
    if rate:
        for number, block in enumerate(blocks, 1):
            block.register_forward_hook(BlockDropper(rate * number / len(blocks)))


class BlockDropper:
    """Forward hook that skips a block for some samples; does nothing in eval mode."""

    def __init__(self, probability: float) -> None:
        """Keep the probability of skipping."""
        self.probability = probability

    def __call__(
        self, block: nn.Module, arguments: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]
    ) -> Tensor | tuple[Tensor, ...]:
        """Replace the block's output; of a tuple, its first entry."""
        if not block.training:
            return output
        if isinstance(output, tuple):
            return (drop_residual(arguments[0], output[0], self.probability), *output[1:])
        return drop_residual(arguments[0], output, self.probability)


def drop_residual(before: Tensor, after: Tensor, probability: float) -> Tensor:
    """Keep ``before`` (B, ...) for some samples, and grow the others' residual to make up for it.

    ``before + b / (1 - p) * (after - before)`` with ``b`` ~ Bernoulli(1 - p) per sample: its
    expectation is ``after``. A block that changes the shape has no residual and is never skipped.
    """
    if before.shape != after.shape:
        return after
    shape = (len(before),) + (1,) * (before.dim() - 1)
    kept = (torch.rand(shape, device=before.device) >= probability).to(after)  # (B, 1, ...)
    return before + kept / (1 - probability) * (after - before)
