"""Count the floating-point operations of a prediction."""

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from handvit.models.hand_pose_estimator import HandPoseEstimator
from handvit.structures import HandCrops


def count_flops(model: HandPoseEstimator, crops: HandCrops) -> dict[str, int]:
    """Return the FLOPs of one forward pass by top-level part of the model.

    Matrix products, attention and convolutions are counted, a multiply-add as two operations; what
    works on single elements is not. A part's count holds what it calls: the head's has the hand
    model.

    Args:
        model: real or fake; it is left in eval mode.
        crops: (B, T, ...).
    """
    model.eval()
    # The counter does not know the fused attention of CPUs, but the products that it consists of.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(crops)
    by_module = counter.get_flop_counts()
    prefix = type(model).__name__
    counts = {
        name: sum(by_module[f"{prefix}.{name}"].values())
        for name, _ in model.named_children()
        if name != "hand_model" and f"{prefix}.{name}" in by_module
    }
    assert sum(counts.values()) == counter.get_total_flops()
    return counts
