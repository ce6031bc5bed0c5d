"""Let the tokens carry what blocks before the last one saw."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handvit.registry import MODELS


@MODELS.register_module()
class LayerFusion(nn.Module):
    """Add a linear map of several blocks' normalised tokens to the last tokens.

    The map starts at zero, so the untrained fusion returns the last tokens exactly.
    """

    def __init__(self, *, dim: int, num_layers: int, layers: Sequence[int]) -> None:
        """Build one norm a block and the map; the backbone gives ``dim`` and ``num_layers``.

        Args:
            dim: token width D.
            num_layers: number of blocks L.
            layers: numbers of the blocks, 1 to L; L stands for the model's output.

        Raises:
            ValueError: ``layers`` is empty, not increasing, or names a block that is not there.
        """
        super().__init__()
        self.layers = tuple(layers)
        possible = set(range(1, num_layers + 1))
        if not self.layers or list(self.layers) != sorted(possible.intersection(self.layers)):
            raise ValueError(
                f"backbone.fusion: layers={self.layers} must be increasing numbers of blocks from 1"
                f" to {num_layers}, e.g. {tuple(num_layers * part // 4 for part in range(1, 5))}"
            )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in self.layers)
        self.linear = nn.Linear(len(self.layers) * dim, dim)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Fuse tokens (B, N, D), entry l of ``states`` after l blocks, to tokens (B, N, D)."""
        chosen = [norm(states[layer]) for norm, layer in zip(self.norms, self.layers, strict=True)]
        return states[-1] + self.linear(torch.cat(chosen, -1))


def fused_tokens(fusion: nn.Module | None, output: Any) -> Tensor:
    """Return the tokens (B, N, D) of a transformers output, which holds all states if fused.

    The last state is replaced by the model's output, because families differ in whether their own
    is normalised.
    """
    if fusion is None:
        return output.last_hidden_state
    return fusion([*output.hidden_states[:-1], output.last_hidden_state])
