"""Never let the optimizer make a step, or a checkpoint hold weights, that are not finite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from handvit.engine.failure_dump import FOLDER, Findings, whole_weights, write_failure
from handvit.engine.random_state import get_random_state
from handvit.engine.training_stop import NonFiniteError
from handvit.registry import HOOKS
from handvit.structures import HandBatch, HandCrops

_COUNT = "train/skipped_steps"


@dataclass
class _Iteration:
    """What one iteration depends on, and its losses."""

    number: int  # counted from 0
    batch: HandBatch | HandCrops
    random_state: dict[str, Any]
    statistics: list[Tensor]  # of batch norms before it, where steps may be left out
    losses: dict[str, Tensor] = field(default_factory=dict)  # scalars without a graph

    @property
    def total_loss(self) -> Tensor:
        """A scalar that is finite if all losses are."""
        return torch.stack([value.mean().float() for value in self.losses.values()]).sum()


@HOOKS.register_module()
class FiniteGuardHook(Hook):
    """Stop before a step with a NaN or infinite loss or gradient, or leave the step out.

    First all that led to it is written to ``WORK_DIR/failures/iter_N_rankR.pt``, from which
    ``tools/misc/replay_batch.py`` repeats it. The optimizer is asked right before its step, when
    gradients are complete and weights are as they were in the forward pass, so this works with
    every optimizer wrapper. All processes take the same decision.

    A step left out changes neither weights nor the optimizer's state nor batch norms' statistics.
    It is an iteration nonetheless: the learning rate goes on, and an average of weights takes the
    same ones again. Where gradients are accumulated, all iterations of the step are left out.

    A ``GradScaler`` leaves out steps itself, as infinite gradients are how it finds its scale. Here
    only a scale below one, where no scaling is to blame, counts as non-finite gradients.
    """

    priority = "LOW"  # before checkpoints are written, after averages have taken their place

    def __init__(self, *, max_skipped: int = 0) -> None:
        """Set how many steps may be left out.

        Args:
            max_skipped: in the whole training, also one that is resumed; the next one stops it.
                Each leaves a file with weights and optimizer, as large as a checkpoint.
        """
        self.max_skipped = max_skipped
        self._handles: list[RemovableHandle] = []
        self._iterations: list[_Iteration] = []  # of the step to come
        self._statistics: list[Tensor] = []  # what a forward pass changes

    def before_train(self, runner: Runner) -> None:
        """Listen to the model and the optimizer."""
        self.after_train(runner)
        model = _model(runner)
        optimizer = runner.optim_wrapper.optimizer
        self._statistics = _running_statistics(model) if self.max_skipped else []
        self._handles = [
            model.register_forward_hook(self._note_losses, with_kwargs=True),
            optimizer.register_step_pre_hook(partial(self._before_step, runner)),
        ]

    def after_train(self, runner: Runner) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._iterations, self._statistics = [], [], []

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: HandBatch | HandCrops | None = None
    ) -> None:
        """Note what the iteration begins with."""
        statistics = [value.clone() for value in self._statistics]
        iteration = _Iteration(runner.iter, data_batch, get_random_state(), statistics)
        self._iterations.append(iteration)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Look at the losses if a ``GradScaler`` left out the step that was due."""
        if self._iterations and runner.optim_wrapper.should_update():
            has_failed = runner.optim_wrapper.loss_scaler.get_scale() < 1
            flag = torch.tensor(has_failed, device=self._iterations[0].total_loss.device)
            self._judge(runner, flag)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse to save weights that are not finite.

        Raises:
            NonFiniteError: names them.
        """
        wrong = _non_finite_names(checkpoint["state_dict"])
        wrong += _non_finite_names(checkpoint.get("ema_state_dict", {}))
        if wrong:
            raise NonFiniteError(
                f"iteration {runner.iter + 1}: {_some(wrong)} not finite, so no checkpoint is"
                f" written; those in {runner.work_dir} are older. Lower the learning rate"
            )

    def _note_losses(
        self, model: nn.Module, arguments: tuple, options: dict[str, Any], output: Any
    ) -> None:
        if options.get("mode") == "loss" and self._iterations:
            losses = {name: value.detach() for name, value in output.items() if "loss" in name}
            self._iterations[-1].losses = losses

    def _before_step(
        self, runner: Runner, optimizer: Optimizer, arguments: tuple, options: dict[str, Any]
    ) -> None:
        """Answer the optimizer; without gradients it changes nothing."""
        # A GradScaler tells a fused optimizer by this attribute to leave out the step itself.
        if getattr(optimizer, "found_inf", 0) > 0:
            return
        is_skipped = self._judge(runner, _has_non_finite_gradients(optimizer))
        if is_skipped:
            optimizer.zero_grad(set_to_none=True)

    def _judge(self, runner: Runner, has_bad_gradients: Tensor) -> bool:
        """Return whether the step must not be made; the processes agree on it.

        Raises:
            NonFiniteError: it must not, and no more may be left out.
        """
        iterations, self._iterations = self._iterations, []
        totals = torch.stack([iteration.total_loss for iteration in iterations])
        own = torch.stack([~totals.isfinite().all(), has_bad_gradients])
        of_all = own.int()
        all_reduce(of_all, "max")
        bad_loss, _, any_loss, any_gradient = torch.cat([own, of_all]).tolist()  # the one sync
        if not (any_loss or any_gradient):
            return False
        weights = whole_weights(_model(runner))
        if any_loss and not bad_loss:
            report = f"a loss of another process is not finite; see {runner.work_dir}/{FOLDER}"
        else:  # of gradients nobody knows whose they are: they have been summed
            suspects = [one for one in iterations if not one.total_loss.isfinite()] or iterations
            report = "; ".join(_write(runner, one, weights) for one in suspects)
        self._react(runner, f"iteration {iterations[-1].number + 1}: {report}")
        for statistic, before in zip(self._statistics, iterations[0].statistics, strict=True):
            statistic.copy_(before)
        return True

    def _react(self, runner: Runner, report: str) -> None:
        """Stop, or count and warn."""
        hub = runner.message_hub  # its numbers are in the checkpoint
        earlier = int(hub.get_scalar(_COUNT).current()) if _COUNT in hub.log_scalars else 0
        if earlier == self.max_skipped:
            raise NonFiniteError(report)
        hub.update_scalar(_COUNT, earlier + 1)
        runner.logger.warning(
            f"{report}; this step is left out, number {earlier + 1} of at most {self.max_skipped}"
        )


def _write(runner: Runner, iteration: _Iteration, weights: dict[str, Tensor]) -> str:
    """Write down one iteration, and say what was found."""
    gradients = {n: p.grad for n, p in _model(runner).named_parameters() if p.grad is not None}
    findings = Findings(
        losses=_non_finite_names(iteration.losses),
        gradients=_non_finite_names(gradients),
        weights=_non_finite_names(dict(_model(runner).named_parameters())),
    )
    path = Path(runner.work_dir) / FOLDER / f"iter_{iteration.number + 1}_rank{get_rank()}.pt"
    report = _describe(findings, iteration.batch)
    try:
        write_failure(
            path,
            runner,
            iteration=iteration.number,
            batch=iteration.batch,
            random_state=iteration.random_state,
            weights=weights,
            findings=findings,
        )
    except OSError as error:  # a full disk must not hide why the training stops
        return f"{report}; it could not be written to {path}: {error}"
    return f"{report}; repeat it with `python tools/misc/replay_batch.py {path}`"


def _describe(findings: Findings, batch: HandBatch | HandCrops) -> str:
    what = _some(findings.losses) if findings.losses else "all losses are finite, but gradients"
    report = f"{what} not finite (samples {_some(batch.labels.sample_id)})"
    if findings.weights:
        report += f"; weights were not finite before: {_some(findings.weights)}"
    return report


def _model(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _running_statistics(model: nn.Module) -> list[Tensor]:
    norms = (module for module in model.modules() if isinstance(module, _BatchNorm))
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]


def _has_non_finite_gradients(optimizer: Optimizer) -> Tensor:
    """Return a bool scalar on the gradients' device: their norm is not finite."""
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    gradients = [_local(p.grad) for p in parameters if p.grad is not None]
    return ~get_total_norm(gradients).isfinite()


def _non_finite_names(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name, value in tensors.items() if not _local(value).isfinite().all()]


def _local(value: Tensor) -> Tensor:
    """Return what this process has of a tensor that may be sharded."""
    return value.to_local() if isinstance(value, DTensor) else value


def _some(names: list[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return f"{', '.join(names[:count])}{more}"
