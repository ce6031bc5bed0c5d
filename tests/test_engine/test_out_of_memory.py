import pytest
import torch
from mmengine.config import Config
from torch import nn

from handvit.engine.out_of_memory import explain_out_of_memory, remedies
from handvit.engine.training_stop import MemoryShortage
from handvit.registry import MODELS


def _config(**changes):
    cfg = Config(
        dict(
            model=dict(data_preprocessor=dict(crop_size=224), backbone=dict(type="HFViT")),
            optim_wrapper=dict(type="OptimWrapper"),
            train_dataloader=dict(batch_size=32),
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


def test_the_cpu_allocator_is_explained(make_batch):
    with (
        pytest.raises(MemoryShortage, match="2 clips of 3 frames, images of 200x160 px") as found,
        explain_out_of_memory(make_batch(num_frames=3), _config()),
    ):
        torch.empty(2**60)
    message = str(found.value)
    assert "out of CPU memory (" in message
    assert "crops of 224x224 px" in message
    batch_size = "train_dataloader.batch_size=16 optim_wrapper.accumulative_counts=2"
    assert message.index(batch_size) < message.index("gradient_checkpointing=True")
    assert isinstance(found.value.__cause__, RuntimeError)


def test_a_gpu_is_explained(make_batch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1_000_000_000, 80_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 70_000_000_000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 78_400_000_000)
    numbers = r"70\.0 GB in use by this process, 78\.4 GB at its peak; 1\.0 GB of 80\.0 GB free"
    with (
        pytest.raises(MemoryShortage, match=rf"out of GPU memory \({numbers}\)"),
        explain_out_of_memory(make_batch(), _config()),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_other_errors_stay_what_they_are(make_batch):
    with (
        pytest.raises(RuntimeError, match="shapes"),
        explain_out_of_memory(make_batch(), _config()),
    ):
        raise RuntimeError("shapes do not match")


def test_what_is_in_use_is_not_advised():
    text = "; ".join(remedies(_config(**{"optim_wrapper.accumulative_counts": 4})))
    assert "accumulative_counts=8" in text
    assert "optim_wrapper.type=BF16OptimWrapper" in text
    assert "model.frozen=[backbone]" in text
    assert "model.backbone.lora.rank=8" in text
    changes = {
        "train_dataloader.batch_size": 1,
        "optim_wrapper.type": "BF16OptimWrapper",
        "model.backbone.gradient_checkpointing": True,
        "model.frozen": ["backbone"],
    }
    assert remedies(_config(**changes)) == ["a smaller backbone or crop"]


@MODELS.register_module()
class HugeLoss(nn.Module):
    def forward(self, pred, target):
        return torch.empty(2**60)


def test_a_training_says_what_to_change(build):
    runner = build("stage1_tiny.py", "run", {"model.losses.loss_huge": dict(type="HugeLoss")})
    with pytest.raises(MemoryShortage, match=r"3 clips of 1 frames.*batch_size=1 .*counts=2"):
        runner.train()
