"""Measure predictions: errors, metrics, prediction files, and the baselines to beat."""

from handvit.evaluation.constant_predictor import ConstantPredictor
from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.hand_metric import HandMetric
from handvit.evaluation.one_euro_tracks import OneEuroSettings, fit_one_euro, smooth_tracks
from handvit.evaluation.predictions import PredictionFile, PredictionHeader
from handvit.evaluation.summary import summarize
from handvit.evaluation.table import format_table

__all__ = [
    "ConstantPredictor",
    "GroundTruth",
    "HandMetric",
    "OneEuroSettings",
    "PredictionFile",
    "PredictionHeader",
    "fit_one_euro",
    "format_table",
    "smooth_tracks",
    "summarize",
]
