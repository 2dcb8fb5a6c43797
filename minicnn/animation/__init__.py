"""A digit moves over a canvas, and its feature maps move along: `minicnn animate`."""

from .clusters import Clusters
from .scene import LAYERS, PATHS, Scene, feature_map, path

__all__ = ["LAYERS", "PATHS", "Clusters", "Scene", "feature_map", "path"]
