"""Ask for the right hand shape."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class ManoShapeLoss(nn.Module):
    """L1 on ``betas`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per standard deviation of shape, averaged over the 10 betas."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        error = (pred.mano.betas - labels.mano.betas).abs().mean(-1)  # (B, T)
        return self.weight * masked_mean(error, labels.mano_valid)
