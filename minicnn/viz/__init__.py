"""Pictures: the only importer of matplotlib. Each takes an `ax` and returns it; `save` writes a figure whole."""

from .classification import confusion_matrix, learning_curve, worst_mistakes
from .figure import new_figure, save
from .invariance import invariance_map, model_comparison
from .network import computation_graph, feature_maps, filters, gradient_flow, graph_source, graph_text
from .operators import singular_values, toeplitz_matrix, transfer
from .proof import derivation
from .speed import speed_and_error

__all__ = ["computation_graph", "confusion_matrix", "derivation", "feature_maps", "filters", "gradient_flow",
           "graph_source", "graph_text", "invariance_map", "learning_curve", "model_comparison", "new_figure", "save",
           "singular_values", "speed_and_error", "toeplitz_matrix", "transfer", "worst_mistakes"]
