import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from handvit.engine.sharded_state import (
    copy_weights,
    shard_weights,
    sharded_optimizer_state,
    whole_state,
)


def _trained(*, is_sharded: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Train for a step; of the two layers the first is frozen."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    if is_sharded:
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        model.register_load_state_dict_pre_hook(shard_weights)
    optimizer = torch.optim.AdamW(model[1].parameters(), lr=0.1)
    model(torch.ones(5, 3)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def _states(*owners: nn.Module | torch.optim.Optimizer) -> list[dict]:
    return [owner.state_dict() for owner in owners]


def test_state_is_whole_inside_and_sharded_outside(one_process):
    whole, sharded = _trained(is_sharded=False), _trained(is_sharded=True)
    with whole_state(*sharded):
        inside = _states(*sharded)
    torch.testing.assert_close(inside, _states(*whole))
    assert not any(isinstance(value, DTensor) for value in inside[0].values())
    assert all(isinstance(value, DTensor) for value in sharded[0].state_dict().values())


def test_other_processes_than_the_main_one_keep_nothing(one_process, monkeypatch):
    monkeypatch.setattr("handvit.engine.sharded_state.is_main_process", lambda: False)
    model, optimizer = _trained(is_sharded=True)
    with whole_state(model, optimizer):
        assert set(model.state_dict().values()) == {None}
        assert optimizer.state_dict()["state"][0]["exp_avg"] is None


def test_whole_state_is_sharded_when_it_is_loaded(one_process):
    whole, sharded = _trained(is_sharded=False), _trained(is_sharded=True)
    with torch.no_grad():
        whole[0][1].weight += 1
    whole[1].state_dict()["state"][0]["exp_avg"].add_(1)
    weights, moments = _states(*whole)
    sharded[0].load_state_dict(weights)
    with sharded_optimizer_state(sharded[1]):
        sharded[1].load_state_dict(moments)
    assert isinstance(sharded[1].state_dict()["state"][0]["exp_avg"], DTensor)
    with whole_state(*sharded):
        torch.testing.assert_close(_states(*sharded), _states(*whole))


def test_loading_what_is_missing_stays_an_error(one_process):
    weights = _trained(is_sharded=False)[0].state_dict()
    del weights["1.bias"]
    with pytest.raises(RuntimeError, match=r"Missing.*1\.bias"):
        _trained(is_sharded=True)[0].load_state_dict(weights)


def test_a_copy_has_the_same_state_in_the_same_order_and_loads_whole_tensors(one_process):
    model, _ = _trained(is_sharded=True)
    model.register_buffer("constant", torch.ones(2), persistent=False)
    copy = copy_weights(model, {})
    for mine, other in (
        (copy.named_parameters(), model.named_parameters()),
        (copy.named_buffers(), model.named_buffers()),
    ):
        mine, other = dict(mine), dict(other)
        assert list(mine) == list(other)
        torch.testing.assert_close(mine, other)
        assert not any(value is other[name] for name, value in mine.items())
    whole = {name: torch.zeros(value.shape) for name, value in copy.state_dict().items()}
    assert whole.keys() == model.state_dict().keys()
    copy.load_state_dict(whole)
    assert copy.get_parameter("1.weight").full_tensor().abs().max() == 0
    assert model[1].weight.full_tensor().abs().max() > 0
