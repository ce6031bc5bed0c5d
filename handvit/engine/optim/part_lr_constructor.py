"""Give each part of the model its learning rate, in few parameter groups."""

from collections import defaultdict
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from handvit.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartLRConstructor:
    """Group trainable parameters by learning rate and weight decay.

    ``paramwise_cfg=dict(part_lr=dict(backbone=1e-5))`` names top-level parts of the model; all
    others use the optimizer's ``lr``. Norms and biases (at most one dimension) are not decayed.
    MMEngine's own constructor makes one group a parameter, which doubles the time of a step.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        """Keep the configs; MMEngine's contract.

        Raises:
            ValueError: ``paramwise_cfg`` has another key than ``part_lr``.
        """
        self.wrapper_cfg = dict(optim_wrapper_cfg)
        self.optimizer_cfg = self.wrapper_cfg.pop("optimizer")
        paramwise = dict(paramwise_cfg or {})
        self.part_lr = dict(paramwise.pop("part_lr", {}))
        if paramwise:
            unknown = sorted(paramwise)
            raise ValueError(
                f"optim_wrapper.paramwise_cfg: unknown keys {unknown}; has part_lr only"
            )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer and its wrapper.

        Raises:
            ValueError: ``part_lr`` names a part that the model has not.
        """
        model = getattr(model, "module", model)
        unknown = sorted(self.part_lr.keys() - dict(model.named_children()).keys())
        if unknown:
            raise ValueError(
                f"optim_wrapper.paramwise_cfg.part_lr: the model has no part {unknown}"
            )
        optimizer = OPTIMIZERS.build({**self.optimizer_cfg, "params": self._groups(model)})
        wrapper_cfg = {"type": "OptimWrapper", **self.wrapper_cfg}
        return OPTIM_WRAPPERS.build({**wrapper_cfg, "optimizer": optimizer})

    def _groups(self, model: nn.Module) -> list[dict[str, Any]]:
        base_lr = self.optimizer_cfg["lr"]
        base_decay = self.optimizer_cfg.get("weight_decay", 0.0)
        groups = defaultdict(list)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                lr = self.part_lr.get(name.split(".")[0], base_lr)
                decay = base_decay if parameter.ndim > 1 else 0.0
                groups[lr, decay].append(parameter)
        # The largest rate first, because MMEngine logs the first group's.
        return [
            dict(params=groups[key], lr=key[0], weight_decay=key[1])
            for key in sorted(groups, reverse=True)
        ]
