"""Measure how the hands of data sets are distributed: pose, shape, place."""

from handvit.datasets.statistics.hand_survey import HandSurvey, share_out_of_range, survey_hands
from handvit.datasets.statistics.picture import plot_survey

__all__ = ["HandSurvey", "plot_survey", "share_out_of_range", "survey_hands"]
