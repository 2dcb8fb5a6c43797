"""Pools: the maximum or the mean of windows, and a binomial blur.

Images have shape (N, C, H, W) or (C, H, W). Each tap of a window is one strided slice of the whole batch. Thus the work
is plain array arithmetic, and the result keeps the memory order of the input.
"""

from .adaptive import OutputSize, adaptive_avg_pool2d, adaptive_max_pool2d, adaptive_size
from .blur import blur_pool2d
from .fixed import Padding, avg_pool2d, max_pool2d
from .one_dimensional import avg_pool1d, max_pool1d
from .unpooling import max_unpool2d
from .windows import check_divisor, pool_padding

__all__ = [
    "OutputSize", "Padding", "adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_size", "avg_pool1d",
    "avg_pool2d", "blur_pool2d", "check_divisor", "max_pool1d", "max_pool2d", "max_unpool2d", "pool_padding",
]
