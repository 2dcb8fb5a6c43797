"""Calls a user's operator and reports every violation as an error. Only this file knows Tensor and Module."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..adapters import (
    AdapterError,
    Given,
    Way,
    adapter_of,
    as_array,
    as_operator,
    hint_at,
    known_shape,
    outputs_of,
    required_inputs,
    ways,
)
from ..adapters.steps import COUNT, Layer
from ..autograd import no_grad
from ..checks import float_dtype, integer, number, pair
from ..conv.runtime.compile_time import compile_seconds
from ..errors import InputError, InputTypeError, raised_in
from ..nn.module import Module
from ..tensor import Tensor
from .network import module_walk

NUMBERS = 1 << 21               # the largest size of the input or output of one call, unless one image is larger
LARGEST = 1 << 24               # the most numbers in an array of images or outputs; the verifier holds about 20 of them
TIME_LIMIT = 60.0               # seconds
clock = time.perf_counter


class OperatorError(InputError):
    """The operator raised, changed its input, was too slow, or returned something else than a batch of images."""

    __module__ = "minicnn.equivariance"


class _RaisedError(OperatorError):
    """The operator raised an exception."""


class Operator:
    """`op` as a function from arrays (N, C, H, W) to float64 arrays (N, C', H', W').

    A Module or a function of Tensors is called without recording. Operators of other libraries get what they take: see
    `minicnn.adapters`. If the parameters of a Module have another dtype than
    `dtype`, a copy of the Module in `dtype` is called. Every call gets a copy of its images. A long batch is split into
    calls of at most `NUMBERS` numbers.

    Parameters
    ----------
    op : callable
    in_channels, size : int, and int or (int, int)
        As in `image_shape`.
    dtype : dtype
        The dtype of the images that `op` gets: float32 or float64. An operator of another library that takes no float64
        gets float32; the attribute says which.
    time_limit : float
        Seconds that all calls together may take. It is checked after each call.

    Attributes
    ----------
    in_shape : (int, int, int)
        (C, H, W).
    out_shape : (int, int, int)
        (C', H', W'), found by a first call with zeros.
    eps : float
        The machine precision of the operator's input or output, whichever is coarser.
    says : str
        What the operator was called with, if that is no array and no Tensor of minicnn; else "".
    batch : int or None
        The number of images in each call. Some layers choose their algorithm by it, and each algorithm has its own
        rounding. None: as many as are given.

    Raises
    ------
    TypeError
        `op` is not callable, or `dtype` is neither float32 nor float64.
    ValueError
        `in_channels`, `size` or `time_limit` is not positive, or an image has more than 2^24 numbers.
    OperatorError
        The first call fails.
    """

    def __init__(self, op: Any, in_channels: int | None, size: int | tuple[int, int] | None, dtype: Any = np.float64,
                 time_limit: float = TIME_LIMIT):
        self.given = as_operator(op)
        op = self.given.func
        self.time_limit, self.dtype = number("time_limit", time_limit, above=0), float_dtype("dtype", dtype)
        in_channels, size = image_shape(self.given, in_channels, size)
        self.in_shape = in_channels, *size
        refuse_size("an image", self.in_shape)
        self.op = module_walk.in_dtype(op, self.dtype) if isinstance(op, Module) else op
        self.out_shape: tuple[int, int, int] = (0, 0, 0)        # not known yet
        self.batch: int | None = None
        self.seconds, self.images = 0.0, 0                      # of all calls so far
        self.per_image = 0.0                                    # the least seconds, not of the first call: it compiles
        self.says = ""
        first = self._first_call()
        self.out_shape = first.shape[1:]
        self.eps = float(max(np.finfo(self.dtype).eps, np.finfo(first.dtype).eps))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, C, H, W) -> (N, C', H', W') in float64; OperatorError as above."""
        images = np.asarray(images, self.dtype)
        at_once = max(1, NUMBERS // max(math.prod(self.in_shape), math.prod(self.out_shape)))
        at_once = min(at_once, self.batch or at_once)
        parts = [self._call(self._filled(images[i:i + at_once])) for i in range(0, len(images), at_once)]
        return np.concatenate(parts)[:len(images)].astype(np.float64)

    def alone(self, images: np.ndarray) -> np.ndarray:
        """As a call, but with one image at a time."""
        batch, self.batch = self.batch, None
        try:
            return np.concatenate([self(image[None]) for image in images])
        finally:
            self.batch = batch

    def _filled(self, images):
        """The images, and images of zeros until `batch` are there."""
        missing = min(self.batch or 0, NUMBERS // math.prod(self.in_shape)) - len(images)
        return np.concatenate([images, np.zeros((missing, *self.in_shape), self.dtype)]) if missing > 0 else images

    def _first_call(self):
        """The result for zeros, by the first way to call the operator that does not fail."""
        op, dtype = self.op, self.dtype.name
        first, later = ([], []) if isinstance(op, Module) else ways(op, dtype)
        own = [Way(op, dtype, ""), Way(lambda images: op(Tensor(images)), dtype, "")]
        own += [Way(op, "float32", "")] * (dtype == "float64" and not isinstance(op, Module))
        failures = []
        for way in (*first, *own, *later):
            try:
                return self._try(way, self.given)
            except _RaisedError as error:
                failures.append(error)
            if len(failures) == len(first) and isinstance(failures[-1].__cause__, AdapterError):
                break                                   # the adapter knows better than any other way
        told = failures[len(first) - 1 if first else 0]
        if not first and own[2:] and len(failures) > 2 and str(failures[2].__cause__) != str(failures[0].__cause__):
            told = failures[2]                          # it wants float32, which shows another mistake
        if self.given.layout is None and not has_layers(op) and not isinstance(told.__cause__, AdapterError):
            last = Given(op, self.given.output, "nhwc")
            for way in (*first, *own):
                with contextlib.suppress(OperatorError):
                    self._try(way, last)
                    told.args = (f"{told}; but it takes an array of shape {last.shape((1, *self.in_shape))}: if its "
                                 "images are (N, H, W, C), choose layout='nhwc'",)
                    break
        raise told from told.__cause__

    def _try(self, way, given):
        """The result for zeros, by this way."""
        self.op, self.dtype = given.around(way.call, _to_array), np.dtype(way.dtype)
        self.says = ", ".join(filter(None, (way.says, given.says)))
        return self._call(np.zeros((1, *self.in_shape), self.dtype))

    def _call(self, images):
        if self.seconds > self.time_limit:
            raise OperatorError(f"the operator is too slow: its calls took {self.seconds:.0f} s, more than the limit "
                                f"of {self.time_limit:.0f} s; give a smaller size or a larger time_limit")
        if (expected := self.per_image * len(images)) > self.time_limit:
            raise OperatorError(f"the operator is too slow: a call with {len(images)} images would take about "
                                f"{expected:.0f} s, more than the limit of {self.time_limit:.0f} s; give a smaller "
                                "size or a larger time_limit")
        given, start, compiled = images.copy(order="C"), clock(), compile_seconds()
        try:
            with no_grad(), np.errstate(all="ignore"):
                out = self.op(given)
        except (Exception, SystemExit) as error:
            raise _told(error, images, None if any(self.out_shape) else self.given.func) from error
        taken = max(0.0, clock() - start - (compile_seconds() - compiled))      # the limit is for the operator
        if self.images:
            self.per_image = min(self.per_image or taken, taken / len(images))
        self.seconds, self.images = self.seconds + taken, self.images + len(images)
        if not np.array_equal(given, images):
            raise OperatorError("the operator changed its input in place: let it work on a copy")
        return self._checked(out, len(images))

    def _checked(self, out, count):
        if isinstance(out, (tuple, list, Mapping)):
            name = repr(next(iter(out), 0)) if isinstance(out, Mapping) else "0"
            raise OperatorError(f"the operator returned {outputs_of(out)}; it must return an array (N, C, H, W): "
                                f"choose an output, as in output={name}")
        if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
            raise OperatorError(f"the operator returned a {type(out).__name__}; it must return an array (N, C, H, W)")
        if out.dtype not in (np.float32, np.float64):
            raise OperatorError(f"the operator returned {out.dtype}; it must return float32 or float64")
        known = any(self.out_shape)
        if out.ndim != 4 or len(out) != count or (known and out.shape[1:] != self.out_shape):
            wanted = str((count, *self.out_shape)) if known else "(N, C, H, W)"
            if out.ndim == 2 and has_layers(self.given):
                wanted += ". Of a network without pixels at its end, judge its layers (layer_reports)"
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


def _to_array(out):
    return out.data if isinstance(out, Tensor) else as_array(out)


def _told(error, images, op=None):
    """The error about an exception that the operator raised. In a first call the size or the channels may be wrong."""
    if isinstance(error, AdapterError):
        return _RaisedError(str(error))
    hint = hint_at(error)
    if not hint and op is not None and isinstance(error, ValueError):
        hint = " (does it need a larger size, or other channels?)"
    elif not hint and op is not None and isinstance(error, TypeError) and len(names := required_inputs(op)) > 1:
        hint = (f"; it needs {len(names)} inputs ({', '.join(names)}): write a function of one image that fixes the "
                "others")
    return _RaisedError(f"the operator raised {type(error).__name__} for an input of shape {images.shape}, "
                        f"{images.dtype}: {error}{raised_in(error)}{hint}")


def refuse_size(name: str, shape: tuple[int, ...], most: int = LARGEST) -> None:
    """Raise InputError for an array of more than `most` numbers, before the memory is used up.

    >>> refuse_size("an image", (1000000, 16, 16))
    Traceback (most recent call last):
        ...
    minicnn.InputError: an image would have 256,000,000 numbers, more than 16,777,216: give a smaller size, fewer \
channels or fewer trials
    """
    if math.prod(shape) > most:
        raise InputError(f"{name} would have {math.prod(shape):,} numbers, more than {most:,}: give a smaller size, "
                         "fewer channels or fewer trials")


def image_shape(op: Any, in_channels: int | None = None,
                size: int | tuple[int, int] | None = None) -> tuple[int, tuple[int, int]]:
    """C and (H, W) of an operator's images: what is given, else what the operator itself says, else 1 and (16, 16).

    >>> image_shape(abs, 3), image_shape(abs, size=8)
    ((3, (16, 16)), (1, (8, 8)))
    """
    channels, height, width = known_shape(op)
    in_channels = channels or 1 if in_channels is None else integer("in_channels", in_channels, 1)
    return in_channels, (height or 16, width or 16) if size is None else pair("size", size, 1)


def is_module(op: Any) -> bool:
    """Whether `op` is a `minicnn.nn.Module`."""
    return isinstance(op, Module)


def has_layers(op: Any) -> bool:
    """Whether `layer_operators` takes `op`: a Module of minicnn or of another library, or an ONNX model."""
    op = op.func if isinstance(op, Given) else op
    return is_module(op) or (adapter := adapter_of(op)) is not None and adapter.is_module(op)


def as_network(module: Any, output: int | str | None = None, layout: str | None = None) -> Given:
    """As `as_operator`. What `layer_operators` does not take raises InputTypeError."""
    given = Given(module) if callable(module) and not has_layers(module) else as_operator(module, output, layout)
    if not has_layers(given):
        kind = type(given.func).__name__.replace("OnnxModel", "session of onnxruntime")
        raise InputTypeError(f"the network must be a Module or an ONNX model, not a {kind}")
    return given


def layer_operators(module: Any, in_channels: int, size: tuple[int, int], dtype: Any) -> list[Layer]:
    """The steps of a Module in the order of the calls: innermost modules, and functions between them.

    Raises OperatorError if the module raises an exception.
    """
    given = as_network(module)
    module = given.func
    dtype = float_dtype("dtype", dtype)
    shape, last = (in_channels, *size), given.layout == "nhwc"
    refuse_size("an image", shape)
    adapter = adapter_of(module)
    walk = module_walk.layer_operators if adapter is None or is_module(module) else adapter.layer_operators
    failures = []
    for wanted in dict.fromkeys((dtype.name, dtype.name if is_module(module) else "float32")):
        try:
            return walk(module, wanted, shape, last)
        except (Exception, SystemExit) as error:
            failures.append(error)
    told = failures[-1]
    raise _told(told, np.zeros(given.shape((COUNT, *shape)), dtype), module) from told
