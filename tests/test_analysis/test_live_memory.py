from contextlib import nullcontext

import pytest
import torch
from torch._subclasses import FakeTensorMode

from handvit.analysis.live_memory import LiveMemory


def test_storages_count_while_they_live():
    with LiveMemory() as memory:
        first = torch.zeros(100)
        assert memory.num_bytes == 400
        second = first.double()
        assert memory.num_bytes == 1200
        del first
        assert memory.num_bytes == 800
        second = second[:10].clone()  # only while it is made do both live
        assert memory.num_bytes == 80
    assert memory.peak == 1200
    assert second.shape == (10,)


def test_views_and_existing_tensors_are_free():
    weight = torch.zeros(20, 30)
    with LiveMemory(existing=[weight]) as memory:
        view = weight.T.reshape(30, 20)[3:]
        assert memory.num_bytes == 0
        copy = view.contiguous()
        assert memory.num_bytes == copy.nbytes == 4 * 27 * 20


@pytest.mark.parametrize("fake", [False, True])
def test_the_graph_keeps_what_the_backward_pass_needs(fake):
    with FakeTensorMode() if fake else nullcontext():
        weight = torch.ones(1000, requires_grad=True)
        with LiveMemory(existing=[weight]) as memory:
            loss = (weight.exp() * 2).sum()
            assert memory.num_bytes == 4000 + 4  # the exponential and the loss
            loss.backward()
            assert memory.num_bytes <= 4000 + 8  # the gradient and the loss
            assert memory.peak >= 8000
