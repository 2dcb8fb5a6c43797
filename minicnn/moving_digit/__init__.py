"""A digit moves over a canvas, and its feature maps move along: as a picture and as a page."""

from .clusters import Clusters
from .exploration import Exploration, explore
from .page import build, embedded
from .scene import LAYERS, PATHS, Scene, feature_map, path

__all__ = ["LAYERS", "PATHS", "Clusters", "Exploration", "Scene", "build", "embedded", "explore", "feature_map", "path"]
