"""A digit moves over a canvas, and its feature maps move with it: an animation and an HTML page show this.

`explorer` and `animation` are for notebooks, which show their results.
"""

from .canvas import LAYERS, feature_map, find_digit
from .clusters import Clusters
from .exploration import Exploration, explore
from .inline import Animation, Page, animation, explorer
from .page import build, embedded
from .pictures import Pictures
from .scene import PATHS, Scene, path

__all__ = ["LAYERS", "PATHS", "Animation", "Clusters", "Exploration", "Page", "Pictures", "Scene", "animation", "build",
           "embedded", "explore", "explorer", "feature_map", "find_digit", "path"]
