"""Give each part of the model its learning rate, in few parameter groups."""

import logging
from collections import defaultdict
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from handvit.registry import OPTIM_WRAPPER_CONSTRUCTORS

# Parts of the names of parameters that are norms, biases or tokens in spite of their shape.
_UNDECAYED = frozenset(
    (
        "cls_token", "mask_token", "register_tokens", "position_embeddings", "logit_scale",
        "relative_position_bias_table", "continuous_position_bias_mlp", "grn",
    )
)  # fmt: skip


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartLRConstructor:
    """Group trainable parameters by learning rate and weight decay.

    ``paramwise_cfg=dict(part_lr=dict(backbone=1e-5), layer_decay=dict(backbone=0.75))`` names
    top-level parts of the model; all others use the optimizer's ``lr``. Not decayed are norms and
    biases (at most one dimension), and of backbones, by name, CLS, mask and register tokens,
    position codes, relative position biases and the ``logit_scale`` of attention. MMEngine's own
    constructor makes one group a parameter, which doubles the time of a step.

    Layer-wise decay (Clark et al., ELECTRA, 2020; Bao et al., BEiT, 2021) lets the early layers of
    a pretrained part move less: layer ``l`` of ``L`` blocks learns with
    ``lr * decay ** (L + 1 - l)``. Such a part has ``num_layers``, which is L, and
    ``layer_of(name)``, which tells the layer of one of its parameters: 0 for the embeddings, 1 to
    L for the blocks, L + 1 for what comes after them.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        """Keep the configs; MMEngine's contract.

        Raises:
            ValueError: ``paramwise_cfg`` has other keys than ``part_lr`` and ``layer_decay``, a
                decay is not in (0, 1], or the optimizer has no ``lr`` or ``weight_decay``.
        """
        self.wrapper_cfg = dict(optim_wrapper_cfg)
        self.optimizer_cfg = self.wrapper_cfg.pop("optimizer")
        missing = sorted({"lr", "weight_decay"} - self.optimizer_cfg.keys())
        if missing:
            raise ValueError(
                f"optim_wrapper.optimizer: has no {' and '.join(missing)}; set both, e.g. lr=1e-4,"
                " weight_decay=1e-4"
            )
        paramwise = dict(paramwise_cfg or {})
        self.part_lr = dict(paramwise.pop("part_lr", {}))
        self.layer_decay = dict(paramwise.pop("layer_decay", {}))
        if paramwise:
            raise ValueError(
                f"optim_wrapper.paramwise_cfg: unknown keys {sorted(paramwise)};"
                " has part_lr and layer_decay only"
            )
        for part, decay in self.layer_decay.items():
            if not 0 < decay <= 1:
                raise ValueError(
                    f"optim_wrapper.paramwise_cfg.layer_decay.{part}={decay}: must be in (0, 1]"
                )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer and its wrapper, and log the learning rates.

        Raises:
            ValueError: ``part_lr`` or ``layer_decay`` names a part that the model has not, or
                ``layer_decay`` one that does not tell its layers.
        """
        model = getattr(model, "module", model)
        self._check_parts(dict(model.named_children()))
        rates = self._rates(model)
        groups = self._groups(model, rates)
        print_log(_summary(groups, rates), logger="current", level=logging.INFO)
        optimizer = OPTIMIZERS.build({**self.optimizer_cfg, "params": groups})
        wrapper_cfg = {"type": "OptimWrapper", **self.wrapper_cfg}
        return OPTIM_WRAPPERS.build({**wrapper_cfg, "optimizer": optimizer})

    def _check_parts(self, parts: dict[str, nn.Module]) -> None:
        for key, named in (("part_lr", self.part_lr), ("layer_decay", self.layer_decay)):
            unknown = sorted(named.keys() - parts.keys())
            if unknown:
                raise ValueError(
                    f"optim_wrapper.paramwise_cfg.{key}: the model has no part {unknown}"
                )
        for name in self.layer_decay:
            if not (hasattr(parts[name], "num_layers") and hasattr(parts[name], "layer_of")):
                raise ValueError(
                    f"optim_wrapper.paramwise_cfg.layer_decay: {type(parts[name]).__name__}, the"
                    f" model's {name!r}, does not tell its layers (num_layers and layer_of);"
                    " give it one rate with part_lr"
                )

    def _rates(self, model: nn.Module) -> dict[str, float]:
        """Learning rate of each trainable parameter, by its name."""
        rates = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                part, _, inner_name = name.partition(".")
                rates[name] = self.part_lr.get(part, self.optimizer_cfg["lr"])
                if part in self.layer_decay:
                    depth = _layers_above(getattr(model, part), inner_name)
                    rates[name] *= self.layer_decay[part] ** depth
        return rates

    def _groups(self, model: nn.Module, rates: dict[str, float]) -> list[dict[str, Any]]:
        groups = defaultdict(list)
        for name, lr in rates.items():
            parameter = model.get_parameter(name)
            is_decayed = parameter.ndim > 1 and _UNDECAYED.isdisjoint(name.split("."))
            weight_decay = self.optimizer_cfg["weight_decay"] if is_decayed else 0.0
            groups[lr, weight_decay].append(parameter)
        # The largest rate first, because MMEngine logs the first group's.
        return [
            dict(params=groups[key], lr=key[0], weight_decay=key[1])
            for key in sorted(groups, reverse=True)
        ]


def _layers_above(part: nn.Module, name: str) -> int:
    """Return how many layers lie between a parameter's layer and the part's end."""
    layer, last = part.layer_of(name), part.num_layers + 1
    found = f"{type(part).__name__}.layer_of({name!r}) is {layer}"
    assert 0 <= layer <= last, f"{found}, not 0 to {last}"
    return last - layer


def _summary(groups: list[dict[str, Any]], rates: dict[str, float]) -> str:
    """Say in one line what learns how fast."""
    by_part = defaultdict(set)
    for name, lr in rates.items():
        by_part[name.partition(".")[0]].add(lr)
    spans = (
        f"{part} {min(found):.3g}" + (f" to {max(found):.3g}" if len(found) > 1 else "")
        for part, found in sorted(by_part.items())
    )
    return f"Optimizer: {len(groups)} parameter groups; learning rates: {', '.join(spans)}"
