"""Let all processes have the same batch norms."""

from mmengine.dist import all_reduce_params, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from handvit.registry import HOOKS


@HOOKS.register_module()
class BatchNormSyncHook(Hook):
    """Average the running statistics of batch norms over processes, after each iteration.

    Otherwise they are those of each process's own batches, and checkpoints hold the first one's.
    MMEngine's SyncBuffersHook does so once an epoch, which an iteration-based training has not.
    It costs one message of some kilobytes, or none for models without batch norms.
    """

    priority = "HIGH"  # before averages of the weights are updated and checkpoints are written

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Average."""
        if is_distributed() and (statistics := _running_statistics(runner.model)):
            all_reduce_params(statistics, op="mean")


def _running_statistics(model: nn.Module) -> list[Tensor]:
    """Return means and variances that this iteration has changed: those of a frozen norm stay."""
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
    ]
    return [value for norm in norms for value in (norm.running_mean, norm.running_var)]
