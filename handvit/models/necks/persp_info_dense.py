"""Tell tokens how their crop was seen, by adding one code of all viewing rays to them."""

import torch
from torch import Tensor, nn

from handvit.models.necks.ray_features import NUM_RAYS, ray_features
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens


class RayCode(nn.Module):
    """Turn the rays of a crop into one vector of the tokens' width; untrained, into zeros.

    Runs in the parameters' dtype whatever autocast says: in bfloat16 the rays of neighbouring
    cameras would differ by less than the rounding. Later layers round again, but the tokens as a
    whole.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.widen = nn.Linear(2 * NUM_RAYS, dim)
        self.activation = nn.GELU()
        self.to_code = nn.Linear(dim, dim)
        nn.init.zeros_(self.to_code.weight)
        nn.init.zeros_(self.to_code.bias)

    def forward(self, crops: HandCrops) -> Tensor:
        """Return (B, T, 1, D)."""
        rays = ray_features(crops)[..., :2].flatten(-2)  # (B, T, 128); u and v never change
        with torch.autocast(rays.device.type, enabled=False):
            hidden = self.activation(self.widen(rays.to(self.widen.weight.dtype)))
            return self.to_code(hidden)[..., None, :]


@MODELS.register_module()
class PerspInfoDenseCls(nn.Module):
    """Add the code of the rays to the CLS token, which passes it on in the decoder."""

    def __init__(self, dim: int) -> None:
        """Set up the code for tokens of width ``dim``, given by the estimator."""
        super().__init__()
        self.code = RayCode(dim)

    def forward(self, tokens: HandTokens, crops: HandCrops) -> HandTokens:
        """Return tokens (B, T, P + N, D) whose CLS token knows its camera.

        Raises:
            ValueError: there is no CLS token.
        """
        if not tokens.prefix.shape[-2]:
            raise ValueError(
                "neck: PerspInfoDenseCls needs a CLS token, which this backbone does not give;"
                " use type='PerspInfoDensePatch'"
            )
        return tokens._replace(prefix=_added(tokens.prefix, self.code(crops)))


@MODELS.register_module()
class PerspInfoDensePatch(nn.Module):
    """Add the code of the rays to every patch token."""

    def __init__(self, dim: int) -> None:
        """Set up the code for tokens of width ``dim``, given by the estimator."""
        super().__init__()
        self.code = RayCode(dim)

    def forward(self, tokens: HandTokens, crops: HandCrops) -> HandTokens:
        """Return tokens (B, T, P + N, D) whose patches know their camera."""
        return tokens._replace(patches=_added(tokens.patches, self.code(crops)))


@MODELS.register_module()
class PerspInfoDenseAll(nn.Module):
    """Add the code of the rays to all tokens, with or without a CLS token among them."""

    def __init__(self, dim: int) -> None:
        """Set up the code for tokens of width ``dim``, given by the estimator."""
        super().__init__()
        self.code = RayCode(dim)

    def forward(self, tokens: HandTokens, crops: HandCrops) -> HandTokens:
        """Return tokens (B, T, P + N, D) that know their camera."""
        return tokens.with_all(_added(tokens.all, self.code(crops)))


def _added(tokens: Tensor, code: Tensor) -> Tensor:
    """Add in the finer dtype of both, and return the tokens' own."""
    return (tokens + code).to(tokens.dtype)
