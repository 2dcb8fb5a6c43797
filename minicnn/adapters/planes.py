"""Functions of one plane (H, W), as in SciPy, scikit-image and OpenCV: each plane of the images gets a call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

import numpy as np

from .given import AdapterError
from .names import top, without_partial
from .protocol import (
    no_array,
    no_hint,
    no_image_shape,
    no_layers,
    no_layout,
    no_module,
    no_narrow_dtype,
    no_snapshots,
    same,
)

BY_NAMES = False                        # a function that calls one of these libraries may still take (N, C, H, W)
OWN_ONLY = False
layout, image_shape, narrow_dtype = no_layout, no_image_shape, no_narrow_dtype
is_array, to_array, snapshots, hint = no_array, same, no_snapshots, no_hint     # these libraries have NumPy's arrays
is_module, layer_operators = no_module, no_layers
LIBRARIES = ("scipy", "skimage", "cv2")


def owns(value: Any) -> bool:
    """Whether a value is a function of a library whose images are planes.

    >>> import scipy.ndimage
    >>> owns(scipy.ndimage.gaussian_filter), owns(np.roll)
    (True, False)
    """
    value = without_partial(value)
    if isinstance(value, BuiltinFunctionType) and "cv2" in sys.modules:         # functions of OpenCV name no module
        return getattr(sys.modules["cv2"], value.__name__, None) is value
    return top(value) in LIBRARIES


def says(op: Any) -> str:
    """How a function is called."""
    return "called with each plane (H, W) by itself"


def as_function(op: Callable, dtype: str) -> Callable:
    """`op` on each plane of an array (N, C, H, W).

    >>> as_function(np.transpose, "float64")(np.ones((2, 3, 4, 5))).shape
    (2, 3, 5, 4)
    """
    def call(images: np.ndarray) -> Any:
        found = [_called(op, plane) for image in images for plane in image]
        if any(not isinstance(one, np.ndarray) or one.ndim != 2 or one.shape != found[0].shape for one in found):
            raise TypeError(f"the function returned {type(found[0]).__name__} of shape {np.shape(found[0])} for a "
                            f"plane of shape {images.shape[2:]}; it must return a plane")
        return np.stack(found).reshape(*images.shape[:2], *found[0].shape)
    return call


def _called(op, plane):
    try:
        return op(plane)
    except Exception as error:
        if "cv2" in sys.modules and isinstance(error, sys.modules["cv2"].error):
            text = " ".join(str(error).split())
            raise AdapterError(f"OpenCV refuses a plane of {plane.dtype}: {text}. A function of uint8 needs a "
                               "conversion around it, which rounds") from error
        raise
