"""Pictures. Only this package imports matplotlib. It draws numbers that the caller has computed.

Most functions draw on an `ax` of matplotlib and return it. The others return a figure. `save` writes a figure.
A notebook shows a figure that is the last expression of a cell.
"""

from .backend import plain_style  # isort: skip  before all that imports matplotlib
from .animation import check_animation, write_animation
from .answers import prediction
from .classification import confusion_matrix, learning_curve, learning_curves, worst_mistakes
from .equivariance import moved_maps
from .figure import new_figure, picture_path, save
from .heat_map import colour_scale, heat_map
from .invariance import invariance_map, model_comparison, pool_changes
from .network import computation_graph, feature_maps, filters, gradient_flow, graph_source, graph_text
from .operators import singular_values, toeplitz_matrix, transfer
from .proof import derivation
from .speed import speed_and_error

__all__ = ["check_animation", "colour_scale", "computation_graph", "confusion_matrix", "derivation", "feature_maps",
           "filters", "gradient_flow", "graph_source", "graph_text", "heat_map", "invariance_map", "learning_curve",
           "learning_curves", "model_comparison", "moved_maps", "new_figure", "picture_path", "plain_style",
           "pool_changes", "prediction", "save", "singular_values", "speed_and_error", "toeplitz_matrix", "transfer",
           "worst_mistakes", "write_animation"]
