"""HandViT: monocular 3D hand pose in camera space, in metres."""

from handvit.version import __version__

__all__ = ["__version__"]
