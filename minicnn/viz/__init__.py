"""Pictures: the only importer of matplotlib. Each takes an `ax` and returns it; `save` writes a figure whole."""

from .classification import confusion_matrix, learning_curve, worst_mistakes
from .derivation import derivation
from .figure import new_figure, save
from .invariance import invariance_map, model_comparison
from .speed import speed_and_error

__all__ = ["confusion_matrix", "derivation", "invariance_map", "learning_curve", "model_comparison", "new_figure",
           "save", "speed_and_error", "worst_mistakes"]
