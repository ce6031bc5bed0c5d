"""What MMEngine's Runner needs besides itself; every repair of MMEngine lives here.

Importing it forbids downloads from the Hugging Face hub: nothing is fetched behind the user's back,
and a wrong folder name fails at once instead of after retries. It must happen before transformers
is imported, which MMEngine's optimizers do.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from handvit.engine import hooks, optim
from handvit.engine.atomic_backend import AtomicLocalBackend
from handvit.engine.autocast_loops import AutocastTestLoop, AutocastValLoop
from handvit.engine.fully_sharded_model import FullyShardedModel
from handvit.engine.fully_sharded_runner import FullyShardedRunner
from handvit.engine.hand_runner import HandRunner
from handvit.engine.progress_log_processor import ProgressLogProcessor
from handvit.engine.resumable_loop import ResumableIterTrainLoop

__all__ = [
    "AtomicLocalBackend",
    "AutocastTestLoop",
    "AutocastValLoop",
    "FullyShardedModel",
    "FullyShardedRunner",
    "HandRunner",
    "ProgressLogProcessor",
    "ResumableIterTrainLoop",
    "hooks",
    "optim",
]
