"""Store hands in shards and serve them as batches: format, readers, mixing, sampling."""

from handvit.datasets.draw_orders import (
    BalancedOrder,
    OneClipPerTrack,
    ShuffledOrder,
    StoredOrder,
)
from handvit.datasets.hand_clip_dataset import HandClip, HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.datasets.infinite_sampler import InfiniteMixtureSampler
from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.datasets.row_filter import RowFilter
from handvit.datasets.row_selection import NoClipError
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.shard_index import ShardError, ShardIndex
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.datasets.shards.shard_writer import ShardWriter, finalize, is_finished, write_shard
from handvit.datasets.streaming_clip_dataset import StreamingClipDataset
from handvit.datasets.token_cache import CachedTokenDataset, token_collate

__all__ = [
    "BalancedOrder",
    "CachedTokenDataset",
    "DatasetInfo",
    "HandClip",
    "HandClipDataset",
    "InfiniteMixtureSampler",
    "MixtureDataset",
    "NoClipError",
    "OneClipPerTrack",
    "RowFilter",
    "ShardError",
    "ShardIndex",
    "ShardReader",
    "ShardWriter",
    "ShuffledOrder",
    "StoredOrder",
    "StreamingClipDataset",
    "finalize",
    "hand_collate",
    "is_finished",
    "token_collate",
    "write_shard",
]
