"""Hooks that every HandViT config uses, and those that a schedule may add."""

from handvit.engine.hooks.batch_norm_sync_hook import BatchNormSyncHook
from handvit.engine.hooks.compile_hook import CompileHook
from handvit.engine.hooks.dropout_warmup_hook import DropoutWarmupHook
from handvit.engine.hooks.finite_guard_hook import FiniteGuardHook
from handvit.engine.hooks.freeze_hook import FreezeHook
from handvit.engine.hooks.hand_checkpoint_hook import HandCheckpointHook
from handvit.engine.hooks.hand_ema_hook import HandEMAHook
from handvit.engine.hooks.hand_model_hook import HandModelHook
from handvit.engine.hooks.history_length_hook import HistoryLengthHook
from handvit.engine.hooks.iter_seed_hook import IterSeedHook
from handvit.engine.hooks.loss_spike_hook import LossSpikeHook
from handvit.engine.hooks.picture_hook import PictureHook
from handvit.engine.hooks.portable_checkpoint_hook import PortableCheckpointHook
from handvit.engine.hooks.run_summary_hook import RunSummaryHook
from handvit.engine.hooks.sample_count_hook import SampleCountHook
from handvit.engine.hooks.tf32_hook import TF32Hook
from handvit.engine.hooks.throughput_hook import ThroughputHook
from handvit.engine.hooks.token_cache_hook import TokenCacheHook
from handvit.engine.hooks.training_picture_hook import TrainingPictureHook
from handvit.engine.hooks.training_range_hook import TrainingRangeHook
from handvit.engine.hooks.watchdog_hook import WatchdogHook

__all__ = [
    "BatchNormSyncHook",
    "CompileHook",
    "DropoutWarmupHook",
    "FiniteGuardHook",
    "FreezeHook",
    "HandCheckpointHook",
    "HandEMAHook",
    "HandModelHook",
    "HistoryLengthHook",
    "IterSeedHook",
    "LossSpikeHook",
    "PictureHook",
    "PortableCheckpointHook",
    "RunSummaryHook",
    "SampleCountHook",
    "TF32Hook",
    "ThroughputHook",
    "TokenCacheHook",
    "TrainingPictureHook",
    "TrainingRangeHook",
    "WatchdogHook",
]
