"""Keep what the frozen part of a stage-2 model computes, and train the rest from it."""

from handvit.datasets.token_cache.cached_token_dataset import CachedTokenDataset, token_collate
from handvit.datasets.token_cache.token_cache_info import TokenCacheInfo

__all__ = ["CachedTokenDataset", "TokenCacheInfo", "token_collate"]
