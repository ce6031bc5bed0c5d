"""What happens to tokens between backbone and decoder."""

from handvit.models.necks.no_persp_info import NoPerspInfo
from handvit.models.necks.persp_info_ca import PerspInfoCrossAttention
from handvit.models.necks.persp_info_dense import (
    PerspInfoDenseAll,
    PerspInfoDenseCls,
    PerspInfoDensePatch,
)
from handvit.models.necks.temporal_cache import TemporalCache
from handvit.models.necks.temporal_encoder import TemporalEncoder

__all__ = [
    "NoPerspInfo",
    "PerspInfoCrossAttention",
    "PerspInfoDenseAll",
    "PerspInfoDenseCls",
    "PerspInfoDensePatch",
    "TemporalCache",
    "TemporalEncoder",
]
