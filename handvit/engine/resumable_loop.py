"""Resume iteration-based training without reading the data that was already seen."""

from typing import Any

from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import IterableDataset

from handvit.registry import LOOPS


@LOOPS.register_module()
class ResumableIterTrainLoop(IterBasedTrainLoop):
    """Tell the data where to start, where MMEngine loads and discards every old batch.

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
        """Train and return the model; the same as MMEngine's loop but for the first lines."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        if self._iter > 0:
            self._skip_seen_data()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._decide_current_val_interval()
            if self._is_time_to_validate():
                self.runner.val_loop.run()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _skip_seen_data(self) -> None:
        """Restart the data stream at the current iteration."""
        self._order.set_start(self._iter, batch_size=self.dataloader.batch_size)
        self.dataloader_iterator = type(self.dataloader_iterator)(self.dataloader)

    def _is_time_to_validate(self) -> bool:
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        return self.runner.val_loop is not None and self._iter >= self.val_begin and due
