"""Fine-tune a large model on one small GPU by low-rank adapters."""

from collections.abc import Sequence
from types import ModuleType

from torch import nn

# The projections that the paper adapts, as transformers' families call them.
_QUERY_AND_VALUE = (("q_proj", "v_proj"), ("query", "value"))


def add_lora(
    model: nn.Module,
    *,
    rank: int = 8,
    alpha: float = 16,
    dropout: float = 0.0,
    target_modules: Sequence[str] | None = None,
) -> None:
    """Freeze the model and add a trainable ``alpha / rank * B A`` to linear maps (Hu et al. 2021).

    B starts at zero, so nothing changes before the first step.

    Args:
        model: a transformers model; it is changed in place.
        rank: number of rows of A.
        alpha: strength of the adapters.
        dropout: on the adapters' input.
        target_modules: last parts of the names of the maps to adapt; by default the queries' and
            the values' projections (sec. 7.1).

    Raises:
        ImportError: peft is not installed.
        ValueError: the model has no such maps.
    """
    peft = _import_peft()
    targets = tuple(target_modules) if target_modules else _find_targets(model)
    missing = sorted(set(targets) - _linear_names(model))
    if missing:
        raise ValueError(
            f"backbone.lora: {model.config.model_type!r} has no linear maps {missing}; set"
            f" target_modules to some of {sorted(_linear_names(model))}"
        )
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets)
    )
    peft.inject_adapter_in_model(config, model)


def _import_peft() -> ModuleType:
    try:
        import peft
    except ImportError as error:
        raise ImportError("backbone.lora needs peft: pip install peft") from error
    return peft


def _find_targets(model: nn.Module) -> tuple[str, ...]:
    names = _linear_names(model)
    for targets in _QUERY_AND_VALUE:
        if names.issuperset(targets):
            return targets
    raise ValueError(
        f"backbone.lora: {model.config.model_type!r} has no query and value projections; set"
        f" target_modules to some of {sorted(names)}"
    )


def _linear_names(model: nn.Module) -> set[str]:
    """Last parts of the names of all linear maps."""
    return {
        name.split(".")[-1]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }
