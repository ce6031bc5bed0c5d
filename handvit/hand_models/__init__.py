"""Hand models: MANO and the open hand, which needs no licence."""

from handvit.hand_models.mano_layer import HandMesh, ManoLayer

__all__ = ["HandMesh", "ManoLayer"]
