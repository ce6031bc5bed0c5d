"""Keep the log history, which MMEngine stores in every checkpoint, from growing."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.registry import HOOKS


@HOOKS.register_module()
class HistoryLengthHook(Hook):
    """Limit each logged scalar's history.

    MMEngine keeps a million entries and copies them all at each update: about a millisecond a
    scalar and iteration after 300,000 iterations, and as many megabytes in the checkpoint.
    """

    def __init__(self, *, max_length: int = 1000) -> None:
        """Set the number of entries to keep."""
        self.max_length = max_length

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Apply the limit to scalars that have appeared since."""
        for history in runner.message_hub.log_scalars.values():
            history.max_length = self.max_length
