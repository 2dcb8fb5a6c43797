"""Experiments with trained networks: how much their answers depend on the place of the digit.

`invariance_map` and `consistency` measure one network. `compare_models` trains networks on digits in the middle and
tests them on moved digits. `compare_pools` measures how much a pooled map changes when the digit moves.
"""

from ..data.placement import Shifts
from .maps import (
    Consistency,
    InvarianceMap,
    consistency,
    convolution_parameters,
    dense_parameters,
    invariance_map,
    parameter_argument,
    relative_change,
)
from .networks import ModelResult, compare_models, comparison_table
from .pooling import PoolChange, compare_pools

__all__ = ["Consistency", "InvarianceMap", "ModelResult", "PoolChange", "Shifts", "compare_models", "compare_pools",
           "comparison_table", "consistency", "convolution_parameters", "dense_parameters", "invariance_map",
           "parameter_argument", "relative_change"]
