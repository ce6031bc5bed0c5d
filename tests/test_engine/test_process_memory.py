import os

import numpy as np

from handvit.engine.process_memory import resident_memory, shared_out_memory


def test_memory_that_is_touched_counts():
    before = resident_memory(os.getpid()), shared_out_memory(os.getpid())
    block = np.ones(64 * 2**20, np.uint8)  # 64 MB
    after = resident_memory(os.getpid()), shared_out_memory(os.getpid())
    del block
    for old, new in zip(before, after, strict=True):
        assert 60 < new - old < 70


def test_shared_memory_is_shared_out():
    """Libraries belong to several processes, so their share is less than the whole."""
    assert 0 < shared_out_memory(os.getpid()) <= resident_memory(os.getpid())
