"""Say what a recipe costs, parameters, operations and memory, without its weights or a GPU."""

from handvit.analysis.fake_model import fake_model
from handvit.analysis.flops import count_flops, count_streamed_flops
from handvit.analysis.parameters import ParameterCount, count_parameters, sum_counts
from handvit.analysis.plain_crops import plain_crops
from handvit.analysis.recipe_cost import RecipeCost, measure_file, measure_recipe
from handvit.analysis.recipe_table import recipe_files, recipe_table, table_row
from handvit.analysis.stand_in import self_contained, stand_in_statistics
from handvit.analysis.training_memory import TrainingMemory, training_memory

__all__ = [
    "ParameterCount",
    "RecipeCost",
    "TrainingMemory",
    "count_flops",
    "count_parameters",
    "count_streamed_flops",
    "fake_model",
    "measure_file",
    "measure_recipe",
    "plain_crops",
    "recipe_files",
    "recipe_table",
    "self_contained",
    "stand_in_statistics",
    "sum_counts",
    "table_row",
    "training_memory",
]
