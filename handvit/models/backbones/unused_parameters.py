"""Find the parameters that a backbone's tokens do not depend on: mask tokens, poolers."""

import torch
from torch import Tensor, nn


def freeze_unused_parameters(backbone: nn.Module, crop_size: int) -> None:
    """Stop training parameters that do not reach the tokens; frozen ones stay frozen.

    DDP waits for the gradient of every trainable parameter, so an unused one is an error there.
    One small crop is run, on the meta device too, and the graph is only walked: gradients of a
    large model would take its memory a second time.

    Args:
        backbone: crops (B, 3, S, S) to ``HandTokens``; it is left in training mode.
        crop_size: S of the crop to run.
    """
    backbone.eval()  # running statistics stay as they are
    with torch.enable_grad():
        used = _leaves(backbone(torch.zeros(1, 3, crop_size, crop_size)).all)
    backbone.train()
    for parameter in backbone.parameters():
        parameter.requires_grad_(parameter in used)


def _leaves(output: Tensor) -> set[Tensor]:
    """Trainable tensors at the ends of the autograd graph of ``output``."""
    leaves, seen, waiting = set(), set(), [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):  # only nodes that accumulate a gradient have it
            leaves.add(node.variable)
        waiting.extend(following for following, _ in node.next_functions)
    return leaves
