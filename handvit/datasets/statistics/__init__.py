"""Measure how the hands of data sets are distributed: pose, shape, place."""

from handvit.datasets.statistics.hand_survey import HandSurvey, survey_hands
from handvit.datasets.statistics.picture import plot_survey

__all__ = ["HandSurvey", "plot_survey", "survey_hands"]
