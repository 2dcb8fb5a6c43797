"""A digit moves over a canvas, and its feature maps move with it: an animation and an HTML page show this."""

from .canvas import LAYERS, feature_map, find_digit
from .clusters import Clusters
from .exploration import Exploration, explore
from .page import build, embedded
from .scene import PATHS, Scene, path

__all__ = ["LAYERS", "PATHS", "Clusters", "Exploration", "Scene", "build", "embedded", "explore", "feature_map",
           "find_digit", "path"]
