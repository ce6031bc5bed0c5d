"""Find what is wrong with a config before anything is built from it."""

from handvit.engine.preflight.preflight import check_config, find_missing, find_problems
from handvit.engine.preflight.problem import ConfigError, Problem

__all__ = ["ConfigError", "Problem", "check_config", "find_missing", "find_problems"]
