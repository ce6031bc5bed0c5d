"""Optimizer wrappers and parameter groups."""

from handvit.engine.optim.bf16_optim_wrapper import BF16OptimWrapper
from handvit.engine.optim.fp16_optim_wrapper import FP16OptimWrapper
from handvit.engine.optim.part_lr_constructor import PartLRConstructor

__all__ = ["BF16OptimWrapper", "FP16OptimWrapper", "PartLRConstructor"]
