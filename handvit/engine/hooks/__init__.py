"""Hooks that every HandViT config uses, and those that a schedule may add."""

from handvit.engine.hooks.dropout_warmup_hook import DropoutWarmupHook
from handvit.engine.hooks.hand_ema_hook import HandEMAHook
from handvit.engine.hooks.hand_model_hook import HandModelHook
from handvit.engine.hooks.history_length_hook import HistoryLengthHook
from handvit.engine.hooks.iter_seed_hook import IterSeedHook
from handvit.engine.hooks.picture_hook import PictureHook
from handvit.engine.hooks.portable_checkpoint_hook import PortableCheckpointHook
from handvit.engine.hooks.training_range_hook import TrainingRangeHook

__all__ = [
    "DropoutWarmupHook",
    "HandEMAHook",
    "HandModelHook",
    "HistoryLengthHook",
    "IterSeedHook",
    "PictureHook",
    "PortableCheckpointHook",
    "TrainingRangeHook",
]
