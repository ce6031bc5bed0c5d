"""What happens to tokens between backbone and decoder."""

from handvit.models.necks.persp_info_ca import PerspInfoCrossAttention
from handvit.models.necks.temporal_encoder import TemporalEncoder

__all__ = ["PerspInfoCrossAttention", "TemporalEncoder"]
