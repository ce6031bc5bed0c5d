import os
import subprocess
import sys

from handvit.engine.process_memory import resident_memory, shared_out_memory

# In a process of its own: one that has run other tests may fill the block from memory it holds.
MEASURE = """
import os
import numpy as np
from handvit.engine.process_memory import resident_memory, shared_out_memory

measures = resident_memory, shared_out_memory
before = [measure(os.getpid()) for measure in measures]
block = np.ones(64 * 2**20, np.uint8)
print(*[measure(os.getpid()) - old for measure, old in zip(measures, before)])
"""


def test_memory_that_is_touched_counts():
    printed = subprocess.run(
        [sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True
    )
    for gained in printed.stdout.split():
        assert 60 < float(gained) < 70


def test_shared_memory_is_shared_out():
    """Libraries belong to several processes, so their share is less than the whole."""
    assert 0 < shared_out_memory(os.getpid()) <= resident_memory(os.getpid())
