"""Let ``torch.compile`` make parts of the model faster, where it can."""

import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
from torch._functorch import config as functorch_config

from handvit.registry import HOOKS

_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile parts of the model for training, in place: names of weights stay what they are.

    The first iteration waits for the compiler, often a minute or more. Where a part cannot be
    compiled, for want of a C++ compiler say, one warning tells why, and that part goes on as if it
    had never been asked for. Validation runs without it: batches of other sizes would be compiled
    anew, and the results are to be those of ``tools/test.py``.
    """

    def __init__(
        self,
        *,
        parts: tuple[str, ...] = ("backbone",),
        mode: str = "default",
        backend: str = "inductor",
    ) -> None:
        """Choose what to compile, and how.

        Args:
            parts: names of the model's modules; each must be one graph, see ``fullgraph`` of
                ``torch.compile``.
            mode: of ``torch.compile``; ``reduce-overhead`` and ``max-autotune`` use CUDA graphs.
            backend: of ``torch.compile``.

        Raises:
            ValueError: there is no such mode.
        """
        if mode not in _MODES:
            raise ValueError(f"CompileHook.mode={mode!r}: must be one of {', '.join(_MODES)}")
        self.parts = parts
        self._options = dict(mode=mode, backend=backend)
        self._calls: list[_CompiledCall] = []

    def before_train(self, runner: Runner) -> None:
        """Replace the calls; the compiler runs when they are called first.

        Raises:
            ValueError: the model has no such part.
        """
        self.after_train(runner)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        modules = dict(model.named_modules())
        for name in self.parts:
            if name not in modules:
                known = ", ".join(part for part, _ in model.named_children())
                raise ValueError(f"CompileHook.parts: the model has no {name!r}; it has {known}")
            self._calls.append(_CompiledCall(modules[name], name, self._options))
        self._switch(on=True)

    def before_val_epoch(self, runner: Runner) -> None:
        """Run without."""
        self._switch(on=False)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Go on with what is compiled."""
        self._switch(on=True)

    def after_train(self, runner: Runner) -> None:
        """Leave the model as it was."""
        self._switch(on=False)
        self._calls = []

    def _switch(self, *, on: bool) -> None:
        for call in self._calls:
            call.switch(on=on)


class _CompiledCall:
    """Call a module compiled, or as it is once that has failed."""

    def __init__(self, module: nn.Module, name: str, options: dict[str, Any]) -> None:
        self._module = module
        self._name = name
        # As one graph: nothing has been computed, no statistic changed, when compiling fails.
        module.compile(**options, fullgraph=True)
        self._compiled = module._compiled_call_impl
        self._works = True

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        try:
            # The backward pass is compiled here, too, and not when it is already under way.
            with functorch_config.patch(force_non_lazy_backward_lowering=True):
                return self._compiled(*arguments, **settings)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            print_log(
                f"CompileHook: {self._name!r} cannot be compiled, and runs as it is:"
                f" {_brief(error)}",
                logger="current",
                level=logging.WARNING,
            )
        self._works = False
        self.switch(on=False)
        return self._module(*arguments, **settings)

    def switch(self, *, on: bool) -> None:
        """Let the module be called compiled, or as it is."""
        # ``nn.Module.compile`` sets this attribute, too, and offers no way back. Deep copies, such
        # as averages of weights, do not inherit it.
        self._module._compiled_call_impl = self if on and self._works else None


def _brief(error: Exception) -> str:
    """Return the first paragraph as one line; what follows is advice to developers of torch."""
    paragraph = str(error).strip().split("\n\n")[0]
    return " ".join(f"{type(error).__name__}: {paragraph}".split())
