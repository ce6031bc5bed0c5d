"""Building blocks that necks, heads and encoders share."""

from handvit.models.layers.attention import Attention
from handvit.models.layers.heatmap import LineHeatmap, PlaneHeatmap, heatmap_std, soft_argmax
from handvit.models.layers.mlp import Mlp
from handvit.models.layers.multi_bin import Bins, MultiBin
from handvit.models.layers.position_encoding import sincos_position_encoding
from handvit.models.layers.rotary import rotate_by_time

__all__ = [
    "Attention",
    "Bins",
    "LineHeatmap",
    "Mlp",
    "MultiBin",
    "PlaneHeatmap",
    "heatmap_std",
    "rotate_by_time",
    "sincos_position_encoding",
    "soft_argmax",
]
