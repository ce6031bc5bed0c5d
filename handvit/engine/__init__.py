"""What MMEngine's Runner needs besides itself; every repair of MMEngine lives here."""

from handvit.engine import hooks, optim
from handvit.engine.atomic_backend import AtomicLocalBackend
from handvit.engine.hand_runner import HandRunner
from handvit.engine.resumable_loop import ResumableIterTrainLoop

__all__ = ["AtomicLocalBackend", "HandRunner", "ResumableIterTrainLoop", "hooks", "optim"]
