"""Put what a training is on one page of its log."""

import shlex
import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from handvit.analysis.parameters import count_parameters, sum_counts
from handvit.engine.environment import describe_code, describe_machine
from handvit.registry import HOOKS

_PRECISIONS = {
    "OptimWrapper": "float32",
    "BF16OptimWrapper": "bfloat16 autocast",
    "FP16OptimWrapper": "float16 autocast, scaled loss",
}


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Log code, machine, data, model and schedule when a training begins."""

    priority = "LOW"  # behind those that freeze

    def before_train(self, runner: Runner) -> None:
        """Write the page."""
        if is_main_process():
            lines = [f"{title:14}{text}" for title, text in summarize_run(runner)]
            runner.logger.info("\n" + "\n".join(lines))


def summarize_run(runner: Runner) -> Iterator[tuple[str, str]]:
    """Yield titles and what there is to say about a training; lines that go on have no title."""
    loader = runner.train_dataloader
    yield "config", str(runner.cfg.filename or "none")
    yield from _titled("", _bases(runner.cfg))
    yield "command", shlex.join(sys.argv)
    yield "code", describe_code()
    yield "machine", describe_machine(runner.world_size)
    yield from _titled("training", _describe_data(loader.dataset))
    if runner.val_loop is not None:
        yield from _titled("validation", _describe_data(runner.val_dataloader.dataset))
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    yield "hand model", model.hand_model.identity
    yield from _titled("parameters", _describe_parameters(model))
    yield "precision", _describe_precision(runner)
    yield "batch", _describe_batch(runner)
    yield "schedule", _describe_schedule(runner)
    yield "checkpoints", _describe_checkpoints(runner)
    yield "started from", _describe_start(runner)
    yield "seed", str(runner.seed)


def _titled(title: str, texts: Iterator[str]) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(texts):
        yield title if number == 0 else "", text


def _bases(cfg: Config) -> Iterator[str]:
    """Yield the files that a config inherits from; before its text, each has its path."""
    files = [line for line in cfg.text.splitlines() if line.endswith(".py") and Path(line).exists()]
    own = Path(cfg.filename or "").resolve()
    for file in files:
        if Path(file).resolve() != own:
            yield f"from {relpath(file)}"


def _describe_data(dataset: Dataset) -> Iterator[str]:
    """Yield a line for each data set of a mixture, with its share of the draws."""
    parts = getattr(dataset, "datasets", [dataset])
    shares = getattr(dataset, "weights", [1.0])
    for part, share in zip(parts, shares, strict=True):
        name = f"{part.metainfo['name']} {part.metainfo['split']}"
        size = "stream" if isinstance(part, IterableDataset) else f"{len(part):,} clips"
        yield f"{name:<24} {size:>18}  {share:6.1%}"


def _describe_parameters(model: nn.Module) -> Iterator[str]:
    counts = count_parameters(model)
    counts["all"] = sum_counts(counts.values())
    for name, count in counts.items():
        yield f"{name:<10} {count.total:>15,}, of which {count.trainable:>15,} learn"


def _describe_precision(runner: Runner) -> str:
    name = type(runner.optim_wrapper).__name__
    return _PRECISIONS.get(name, name)


def _describe_batch(runner: Runner) -> str:
    """Say how many clips are behind one step of the optimizer, and how that comes about."""
    clips, processes = runner.train_dataloader.batch_size, runner.world_size
    accumulated = runner.optim_wrapper._accumulative_counts
    return (
        f"{clips * processes * accumulated} clips a step: {clips} x {processes} processes"
        f" x {accumulated} accumulated"
    )


def _describe_schedule(runner: Runner) -> str:
    loop, loader = runner.train_loop, runner.train_dataloader
    clips = loader.batch_size * runner.world_size * loop.max_iters
    is_stream = isinstance(loader.dataset, IterableDataset)
    epochs = "" if is_stream else f" ({clips / len(loader.dataset):.3g} epochs)"
    validation = f", validation every {loop.val_interval:,}" if runner.val_loop else ""
    return f"{loop.max_iters:,} iterations, {clips:,} clips{epochs}{validation}"


def _describe_checkpoints(runner: Runner) -> str:
    """Say where they are, how often they are written, and which are kept."""
    texts = [str(runner.work_dir)]
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            texts.append(f"every {hook.interval:,} iterations")
            if hook.max_keep_ckpts > 0:
                texts.append(f"the last {hook.max_keep_ckpts} are kept")
            texts += [f"the best {metric} too" for metric in hook.save_best or ()]
    return ", ".join(texts)


def _describe_start(runner: Runner) -> str:
    if runner._resume:
        return f"{runner._load_from}, resumed at iteration {runner.iter:,}"
    return runner._load_from or "new weights"
