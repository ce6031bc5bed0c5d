"""Count the floating-point operations of a prediction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from handvit.models.hand_pose_estimator import HandPoseEstimator
from handvit.structures import HandCrops


def count_flops(model: HandPoseEstimator, crops: HandCrops) -> dict[str, int]:
    """Return the FLOPs of one forward pass by top-level part of the model.

    Matrix products, attention and convolutions are counted, a multiply-add as two operations; what
    works on single elements is not. The hand model's are counted with the head, which calls it.

    Args:
        model: real or fake; it is left in eval mode.
        crops: (B, T, ...).
    """
    model.eval()
    with _counting() as counter:
        model(crops)
    by_module = counter.get_flop_counts()
    prefix = type(model).__name__
    counts = {
        name: sum(by_module.get(f"{prefix}.{name}", {}).values())
        for name, _ in model.named_children()
    }
    counts["hand_model"] = 0
    assert sum(counts.values()) == counter.get_total_flops()
    return counts


def count_streamed_flops(model: HandPoseEstimator, crops: HandCrops) -> dict[str, int]:
    """Return the FLOPs of one more frame of a stream, by top-level part as ``count_flops`` does.

    The temporal encoder, if there is one, takes a ``step`` with a full cache.

    Args:
        model: real or fake; it is left in eval mode.
        crops: (B, T, ...), of which the last frame is taken.
    """
    crops = crops.last_frame()
    if model.temporal is None:
        return count_flops(model, crops)
    # A pass over a single frame does everything else as a stream does.
    inputs: list[Any] = []
    hook = model.temporal.register_forward_pre_hook(lambda _, args: inputs.extend(args))
    counts = count_flops(model, crops)
    hook.remove()
    tokens, frame_time, _ = inputs
    cache = None
    for _ in range(model.temporal.max_frames):  # the last of them finds the cache full
        with _counting() as counter:
            _, cache = model.temporal.step(tokens, frame_time[:, -1], cache)
    return {**counts, "temporal": counter.get_total_flops()}


@contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    # The counter does not know the fused attention of CPUs, but the products that it consists of.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        yield counter
