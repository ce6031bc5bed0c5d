"""Convert HOT3D-Clips, hands before the fisheye cameras of two headsets."""

from handvit.datasets.converters.hot3d.clips import SPLITS, STREAMS
from handvit.datasets.converters.hot3d.converter import Hot3dConverter

__all__ = ["SPLITS", "STREAMS", "Hot3dConverter"]
