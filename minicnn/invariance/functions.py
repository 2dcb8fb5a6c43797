"""Classifiers, feature maps and pools of any library as functions of arrays, in evaluation mode."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import adapters
from ..autograd import no_grad
from ..nn import Module
from ..nn.unchanged import unchanged
from ..tensor import Tensor


class OnArrays:
    """A function of any library as a function of arrays that returns an array.

    The first call with images of a dtype finds out what the function takes. If every way fails, the error of the most
    likely one is raised.

    Parameters
    ----------
    function : callable
        A function of arrays or Tensors, a Module, a module or function of PyTorch, a function of JAX, a function of one
        plane (SciPy, scikit-image, OpenCV), or an ONNX model.

    Examples
    --------
    >>> OnArrays(lambda images: images.max((1, 2, 3)))(np.ones((2, 1, 3, 3)))
    array([1., 1.])
    """

    def __init__(self, function: Any):
        self.given = adapters.as_operator(function)
        self.ways: dict[np.dtype, tuple[str, Callable]] = {}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if images.dtype in self.ways:
            dtype, way = self.ways[images.dtype]
            return way(images.astype(dtype))
        op = self.given.func
        first, later = ([], []) if isinstance(op, Module) else adapters.ways(op, images.dtype.name)
        own = [adapters.Way(op, images.dtype.name, ""),
               adapters.Way(lambda given: op(Tensor(given)), images.dtype.name, "")]
        failures = []
        for one in (*first, *own, *later):
            function = self.given.around(one.call, as_array)
            try:
                out = function(images.astype(one.dtype))
            except Exception as error:                  # this way is not the one; or the function is wrong
                failures.append(error)
            else:
                self.ways[images.dtype] = one.dtype, function
                return out
        raise failures[max(0, len(first) - 1)]


def on_arrays(function: Any) -> OnArrays:
    """The function as one of arrays: see `OnArrays`."""
    return function if isinstance(function, OnArrays) else OnArrays(function)


def as_array(out: Any) -> np.ndarray:
    """The array of a Tensor, or of an array of another library; any other value as an array."""
    return out.data if isinstance(out, Tensor) else np.asarray(adapters.as_array(out))


@contextlib.contextmanager
def evaluation_mode(*functions: Any) -> Iterator[None]:
    """Context manager: put Modules, also of PyTorch, into evaluation mode; no graph is recorded.

    These are the functions that are Modules, and the Modules whose methods the functions are. At the end they are as
    they were at the start.

    >>> from minicnn.nn import Dropout
    >>> layer = Dropout()
    >>> with evaluation_mode(layer):
    ...     print(layer.training)
    False
    >>> layer.training
    True
    """
    objects = [getattr(one, "func", one) if isinstance(one, adapters.Given) else one for one in functions]
    owners: dict[int, Any] = {id(one): one for function in objects
                              for one in (function, getattr(function, "__self__", None))}
    with unchanged(*objects), no_grad():
        for one in owners.values():
            if isinstance(one, Module) or adapters.adapter_of(one) and hasattr(one, "training"):
                one.eval()
        yield
