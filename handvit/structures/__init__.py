"""The nouns of HandViT: what crosses from one folder to the next."""

from handvit.structures.hand_batch import HandBatch, HandLabels
from handvit.structures.hand_crops import HandCrops
from handvit.structures.hand_prediction import HandPrediction
from handvit.structures.hand_sample import HandSample
from handvit.structures.hand_statistics import HandStatistics
from handvit.structures.hand_target import HandTarget
from handvit.structures.hand_tokens import HandTokens
from handvit.structures.mano_params import ManoParams

__all__ = [
    "HandBatch",
    "HandCrops",
    "HandLabels",
    "HandPrediction",
    "HandSample",
    "HandStatistics",
    "HandTarget",
    "HandTokens",
    "ManoParams",
]
