"""Say what to change when a batch does not fit into memory."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config

from handvit.engine.process_memory import resident_memory
from handvit.engine.training_stop import MemoryShortage
from handvit.structures import HandBatch, HandCrops


@contextmanager
def explain_out_of_memory(batch: HandBatch | HandCrops, cfg: Config) -> Iterator[None]:
    """Turn the error of an allocator into one that a user can act on.

    Args:
        batch: what is worked on in the block.
        cfg: of the training.

    Raises:
        MemoryShortage: an allocation failed in the block, on a GPU or on the CPU.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryShortage(_explain("GPU", _gpu_memory(), batch, cfg)) from error
    except MemoryError as error:
        raise MemoryShortage(_explain("CPU", _cpu_memory(), batch, cfg)) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise MemoryShortage(_explain("CPU", _cpu_memory(), batch, cfg)) from error


def _explain(device: str, memory: str, batch: HandBatch | HandCrops, cfg: Config) -> str:
    B, T = batch.labels.frame_valid.shape
    return (
        f"out of {device} memory ({memory}) with a batch of {B} clips of {T} frames,"
        f" {_describe_frames(batch, cfg)}. Try in this order, with --cfg-options:"
        f" {'; '.join(remedies(cfg))}"
    )


def _describe_frames(batch: HandBatch | HandCrops, cfg: Config) -> str:
    if isinstance(batch, HandCrops):
        return "whose tokens are from a cache"
    height, width = batch.image.shape[-2:]
    side = cfg.model.data_preprocessor.crop_size
    return f"images of {width}x{height} px, crops of {side}x{side} px"


def remedies(cfg: Config) -> list[str]:
    """List what saves memory and is not in use yet, the least harmful first."""
    backbone, wrapper = cfg.model.backbone, cfg.optim_wrapper
    found = []
    batch_size = cfg.train_dataloader.batch_size
    if batch_size > 1:
        count = 2 * wrapper.get("accumulative_counts", 1)
        found.append(
            f"train_dataloader.batch_size={batch_size // 2} optim_wrapper.accumulative_counts="
            f"{count} (the same effective batch; an iteration is then half of what it was)"
        )
    if not backbone.get("gradient_checkpointing", False):
        found.append("model.backbone.gradient_checkpointing=True (a third slower)")
    if wrapper.get("type", "OptimWrapper") == "OptimWrapper":
        found.append("optim_wrapper.type=BF16OptimWrapper")
    if "backbone" not in cfg.model.get("frozen", ()):
        found.append("model.frozen=[backbone] (it keeps its weights)")
        if backbone.get("lora") is None:
            found.append("model.backbone.lora.rank=8 (it learns by low-rank adapters only)")
    found.append("a smaller backbone or crop")
    return found


def _gpu_memory() -> str:
    free, total = torch.cuda.mem_get_info()
    used, peak = torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()
    return (
        f"{_gigabytes(used)} in use by this process, {_gigabytes(peak)} at its peak;"
        f" {_gigabytes(free)} of {_gigabytes(total)} free"
    )


def _cpu_memory() -> str:
    used = resident_memory(os.getpid()) * 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
    return f"{_gigabytes(used)} in use by this process, {_gigabytes(peak)} at its peak"


def _gigabytes(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
