"""Resume iteration-based training without reading the data that was already seen."""

from typing import Any

from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import IterableDataset

from handvit.engine.hooks.hand_checkpoint_hook import VALIDATED_ITER
from handvit.engine.out_of_memory import explain_out_of_memory
from handvit.registry import LOOPS


@LOOPS.register_module()
class ResumableIterTrainLoop(IterBasedTrainLoop):
    """Tell the data where to start, where MMEngine loads and discards every old batch.

    A validation that was due when the resumed checkpoint was written, and did not end, is repeated.
    Signals are obeyed after each iteration, so this loop needs a ``HandRunner``.

    Needs a sampler with ``set_start``, such as ``InfiniteMixtureSampler``, or a stream with it,
    such as ``StreamingClipDataset``.
    """

    def __init__(self, runner: Runner, dataloader: dict[str, Any], **schedule: Any) -> None:
        """Build MMEngine's loop.

        Raises:
            ValueError: the sampler or stream cannot be told where to start.
        """
        super().__init__(runner, dataloader, **schedule)
        is_stream = isinstance(self.dataloader.dataset, IterableDataset)
        self._order = self.dataloader.dataset if is_stream else self.dataloader.sampler
        if not hasattr(self._order, "set_start"):
            raise ValueError(
                f"train_dataloader: {type(self._order).__name__} cannot resume; use"
                " sampler=dict(type='InfiniteMixtureSampler')"
            )

    def run(self) -> nn.Module:
        """Train and return the model; MMEngine's loop, but for resuming and stopping."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        if self._iter > 0:
            self._skip_seen_data()
            self._repeat_validation()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(self.dataloader_iterator)
            with explain_out_of_memory(batch, self.runner.cfg):
                self.run_iter(batch)
            self.runner.stop_if_asked()
            self._decide_current_val_interval()
            if self._is_time_to_validate():
                self._validate()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _validate(self) -> None:
        self.runner.val_loop.run()
        self.runner.stop_if_asked()

    def _repeat_validation(self) -> None:
        """Validate first what a process that was killed did not come to validate."""
        self._decide_current_val_interval()
        was_validated = self.runner.message_hub.get_info(VALIDATED_ITER, 0) == self._iter
        if self._is_time_to_validate() and not was_validated:
            self._validate()

    def _skip_seen_data(self) -> None:
        """Restart the data stream at the current iteration."""
        self._order.set_start(self._iter, batch_size=self.dataloader.batch_size)
        self.dataloader_iterator = type(self.dataloader_iterator)(self.dataloader)

    def _is_time_to_validate(self) -> bool:
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        return self.runner.val_loop is not None and self._iter >= self.val_begin and due
