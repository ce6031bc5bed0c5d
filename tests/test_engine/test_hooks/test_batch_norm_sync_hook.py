from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from torch import nn

from handvit.engine.hooks import BatchNormSyncHook

MODULE = "handvit.engine.hooks.batch_norm_sync_hook"


@pytest.fixture
def averaged(monkeypatch) -> list[torch.Tensor]:
    """Pretend to be one of several processes; return the list of what they average."""
    found = []
    monkeypatch.setattr(f"{MODULE}.is_distributed", lambda: True)
    monkeypatch.setattr(f"{MODULE}.all_reduce_params", lambda values, op: found.extend(values))
    return found


def test_running_statistics_are_averaged_but_for_frozen_norms(averaged):
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm1d(2).eval(), nn.LayerNorm(4))
    BatchNormSyncHook().after_train_iter(SimpleNamespace(model=model), 0)
    assert [id(value) for value in averaged] == [
        id(model[0].running_mean),
        id(model[0].running_var),
    ]


def test_norms_without_statistics_have_none_to_average(averaged):
    model = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False))
    BatchNormSyncHook().after_train_iter(SimpleNamespace(model=model), 0)
    assert averaged == []


def test_it_comes_before_weights_are_averaged():
    hook, average = BatchNormSyncHook(), EMAHook()
    assert hook.priority == "HIGH"
    assert average.priority == "NORMAL"
