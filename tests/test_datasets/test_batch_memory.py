import gc
import multiprocessing
import os

import numpy as np
import pytest
import torch

from handvit.datasets import batch_memory
from handvit.datasets.batch_memory import BatchMemory, receive


@pytest.fixture
def memory():
    return BatchMemory()


def _address(array):
    return array.ctypes.data


def test_memory_is_used_again_when_all_views_are_gone(memory):
    first = memory.lend(1000)
    address = _address(first)
    assert first.shape == (1000,) and first.dtype == np.uint8 and first.flags.writeable
    tensor = torch.from_numpy(first[10:20].reshape(2, 5))[0]
    del first
    assert _address(memory.lend(1000)) != address, "a tensor still looks at it"
    del tensor
    assert _address(memory.lend(900)) == address
    assert len(memory) == 2


def test_small_segments_make_way_for_large_ones(memory):
    small = memory.lend(10)
    held = memory.lend(10)
    del small
    large = memory.lend(10**6)
    assert large.shape == (10**6,) and len(memory) == 2
    held[:] = 7
    assert (held == 7).all()


def test_few_free_segments_are_kept(memory, monkeypatch):
    monkeypatch.setattr(batch_memory, "_MAX_SPARE", 2)
    before = len(os.listdir("/proc/self/fd"))
    held = [memory.lend(10) for _ in range(6)]
    held.clear()
    last = memory.lend(10)
    assert len(memory) == 1 and last.shape == (10,)
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # descriptor and mapping


def test_receiver_sees_the_content_and_holds_it(memory):
    sent = memory.lend(100)
    address = _address(sent)
    sent[:] = np.arange(100)
    received = receive(memory.send(address))
    assert _address(received) != address and (received == np.arange(100)).all()
    del sent
    view = torch.from_numpy(received)[:3]
    del received
    assert _address(memory.lend(100)) != address, "the receiver still looks at it"
    del view
    assert _address(memory.lend(100)) == address


def test_sent_memory_is_held_before_it_is_received(memory):
    sent = memory.lend(100)
    address = _address(sent)
    sent[:] = 3
    handle = memory.send(address)
    del sent
    other = memory.lend(100)
    other[:] = 4
    assert (receive(handle) == 3).all()


def test_only_lent_memory_is_sent_and_only_once(memory):
    sent = memory.lend(100)
    assert memory.send(_address(np.zeros(100))) is None
    assert memory.send(_address(sent) + 1) is None
    assert memory.send(_address(sent)) is not None
    assert memory.send(_address(sent)) is None


def _drop_and_report(held, queue):
    held.clear()
    gc.collect()
    queue.put(True)


def test_a_forked_process_lets_go_of_nothing(memory):
    held = [memory.lend(100)]
    address = _address(held[0])
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=_drop_and_report, args=(held, queue))
    process.start()
    assert queue.get()
    process.join()
    assert _address(memory.lend(100)) != address


def test_a_dead_sender_is_named():
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid {process.pid}\) was killed"):
        receive(batch_memory.Handle(process.pid, 3))
