"""One HTML file in which a digit is moved by hand and the feature maps of the LeNet follow: `minicnn explore`.

`explore` lets the engine compute everything for all 121 places of a digit and proves on the way that the convolutions
are exactly equivariant; `build` makes the page of it; `embedded` reads the numbers out of a page again.
"""

from .data import Exploration, explore
from .page import build, embedded

__all__ = ["Exploration", "build", "embedded", "explore"]
