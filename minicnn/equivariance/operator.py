"""A user's operator on images, called with care: what it may not do is told as what it is, not taken for a result."""

from __future__ import annotations

import copy
import math
import time

import numpy as np

from ..autograd import no_grad
from ..errors import InputError, InputTypeError
from ..nn.module import Module
from ..tensor import Tensor

NUMBERS = 1 << 21               # that are given to the operator in one call, unless one image has more
TIME_LIMIT = 60.0               # seconds


class OperatorError(InputError):
    """The operator cannot be judged: it raised, changed its input, or returned what is no image batch."""


class _RaisedError(OperatorError):
    """The operator raised."""


class Operator:
    """`op` as a function from arrays (N, C, H, W) to float64 arrays (N, C', H', W').

    A Module or a function of Tensors is called without recording; of a Module with parameters of another dtype a copy
    is called that has them in `dtype`. Every call gets a copy, in batches of bearable size.

    Parameters
    ----------
    op : callable
    in_channels : int
    size : (int, int)
    dtype : dtype
        Of what the operator gets: float32 or float64.
    time_limit : float
        Seconds that all calls together may take.

    Attributes
    ----------
    out_shape : (int, int, int)
        (C', H', W'), known from a first call with a zero.
    eps : float
        The rounding error of the operator's arithmetic: of the coarser of its input and its output.
    """

    def __init__(self, op, in_channels, size, dtype=np.float64, time_limit=TIME_LIMIT):
        if not callable(op):
            raise InputTypeError(f"the operator must be callable, not a {type(op).__name__}")
        if not time_limit > 0:
            raise InputError(f"time_limit must be a positive number of seconds, not {time_limit}")
        self.in_shape, self.time_limit, self.dtype = _image_shape(in_channels, size), time_limit, np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise InputTypeError(f"dtype must be float32 or float64, not {self.dtype}")
        self.op = in_dtype(op, self.dtype) if isinstance(op, Module) else op
        self.out_shape, self.seconds, self.wrap = None, 0.0, np.asarray
        first = self._first_call()
        self.out_shape = first.shape[1:]
        self.eps = float(max(np.finfo(self.dtype).eps, np.finfo(first.dtype).eps))

    def __call__(self, images):
        """(N, C, H, W) -> (N, C', H', W') in float64."""
        images = np.asarray(images, self.dtype)
        at_once = max(1, NUMBERS // max(math.prod(self.in_shape), math.prod(self.out_shape)))
        parts = [self._call(images[i:i + at_once]) for i in range(0, len(images), at_once)]
        return np.concatenate(parts).astype(np.float64)

    def _first_call(self):
        """The result for 0; what cannot take an array gets a Tensor from now on."""
        zero = np.zeros((1, *self.in_shape), self.dtype)
        try:
            return self._call(zero)
        except _RaisedError as error:
            self.wrap = Tensor
            try:
                return self._call(zero)
            except _RaisedError:
                raise error from error.__cause__

    def _call(self, images):
        if self.seconds > self.time_limit:
            raise OperatorError(f"the operator is too slow: its calls took {self.seconds:.0f} s, more than the limit "
                                f"of {self.time_limit:.0f} s; give a smaller size or a larger time_limit")
        given, start = images.copy(order="C"), time.perf_counter()
        try:
            with no_grad(), np.errstate(all="ignore"):
                out = self.op(self.wrap(given))
        except (Exception, SystemExit) as error:
            small = self.out_shape is None and isinstance(error, ValueError)
            hint = " (a smaller size, or other channels, than it needs?)" if small else ""
            raise _RaisedError(f"the operator raised {type(error).__name__} for an input of shape {images.shape}, "
                               f"{images.dtype}: {error}{hint}") from error
        self.seconds += time.perf_counter() - start
        if not np.array_equal(given, images):
            raise OperatorError("the operator changed its input in place: let it work on a copy")
        return self._checked(out, len(images))

    def _checked(self, out, count):
        out = out.data if isinstance(out, Tensor) else out
        if not isinstance(out, np.ndarray):
            raise OperatorError(f"the operator returned a {type(out).__name__}; it must return an array (N, C, H, W)")
        if out.dtype not in (np.float32, np.float64):
            raise OperatorError(f"the operator returned {out.dtype}; it must return float32 or float64")
        wanted = "(N, C, H, W)" if self.out_shape is None else str((count, *self.out_shape))
        if out.ndim != 4 or len(out) != count or (self.out_shape is not None and out.shape[1:] != self.out_shape):
            raise OperatorError(f"the operator returned shape {out.shape} for an input of shape "
                                f"{(count, *self.in_shape)}; it must be {wanted}")
        if 0 in out.shape:
            raise OperatorError(f"the operator returned an empty array, shape {out.shape}, for an input of shape "
                                f"{(count, *self.in_shape)}: give a larger size, or the channels that it needs")
        if not np.isfinite(out).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
            raise OperatorError(f"the operator returned {out[where]} at pixel (channel, y, x) = {where[1:]} for a "
                                "finite input")
        return out.copy()


def in_dtype(module, dtype):
    """The module itself, or a copy with parameters and buffers of that dtype."""
    if all(parameter.data.dtype == dtype for parameter in module.parameters()):
        return module
    module = copy.deepcopy(module)
    for _, part in module.named_modules():
        for name in part.buffers:
            setattr(part, name, getattr(part, name).astype(dtype))
    for parameter in module.parameters():
        parameter.data = parameter.data.astype(dtype)
    return module


def _image_shape(in_channels, size):
    numbers = (in_channels, *(size if isinstance(size, (tuple, list)) else (size, size)))
    if len(numbers) != 3 or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1 for n in numbers):
        raise InputError(f"in_channels must be a positive integer and size two of them, (H, W), not {in_channels!r} "
                         f"and {size!r}")
    return tuple(int(n) for n in numbers)
