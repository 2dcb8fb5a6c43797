"""What the caller of a library says about an operator: which of its outputs counts, and the order of its axes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError

LAYOUTS = ("nchw", "nhwc")


class AdapterError(InputError):
    """Raised by an adapter. The message is a whole sentence about the operator and what to do."""

    __module__ = "minicnn"


class Given:
    """An operator `func` as a function of images (N, C, H, W), with the output and the layout that were chosen.

    `around` does the same for any function that calls the operator. `func`, `args` and `keywords` are those of
    functools.partial, so that what looks into a partial also looks into this.

    Parameters
    ----------
    func : callable
    output : int or str, optional
        The place of one output in the tuple, list or dictionary that `func` returns, its key, or its name.
    layout : {"nchw", "nhwc"}, optional
        The order of the axes of the images and of the output. None: nobody said it; then as "nchw".

    Examples
    --------
    >>> both = Given(lambda f: (f, f.sum(3)), output=0, layout="nhwc")
    >>> both(np.ones((2, 3, 4, 5))).shape
    (2, 3, 4, 5)
    """

    def __init__(self, func: Any, output: int | str | None = None, layout: str | None = None):
        self.func, self.output, self.layout = func, output, layout
        self.args: tuple[Any, ...] = ()
        self.keywords: dict[str, Any] = {}

    def __call__(self, images: np.ndarray) -> Any:
        return self.around(self.func)(images)

    def around(self, call: Callable, to_array: Callable = lambda value: value) -> Callable:
        """`call` as a function of images (N, C, H, W); `to_array` converts the output that was chosen."""
        def called(images: np.ndarray) -> Any:
            if self.layout != "nhwc":
                return to_array(self.chosen(call(images)))
            given = np.ascontiguousarray(np.moveaxis(images, 1, 3))
            out = to_array(self.chosen(call(given)))
            images[...] = np.moveaxis(given, 3, 1)      # whoever looks for changes in place finds them
            return out.transpose(0, 3, 1, 2) if getattr(out, "ndim", 0) == 4 else out
        return called

    @property
    def says(self) -> str:
        """What was chosen, in words."""
        return ", ".join(["axes (N, H, W, C)"] * (self.layout == "nhwc") +
                         [f"output {self.output}"] * (self.output is not None))

    def shape(self, images: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the array that the operator gets for images of shape (N, C, H, W)."""
        n, c, h, w = images
        return (n, h, w, c) if self.layout == "nhwc" else images

    def chosen(self, out: Any) -> Any:
        """The part of a result that `output` names."""
        if self.output is None:
            return out
        named = isinstance(out, Mapping)
        if isinstance(self.output, str) and not named and hasattr(out, self.output) and hasattr(out, "_fields"):
            return getattr(out, self.output)            # of a namedtuple
        if not named and not (isinstance(out, Sequence) and not isinstance(out, str)):
            raise AdapterError(f"output={self.output!r} chooses one of several outputs, but the operator returned one "
                               f"{type(out).__name__}: leave it out")
        if named and self.output in out:
            return out[self.output]
        if isinstance(self.output, int) and -len(out) <= self.output < len(out):
            return list(out.values() if named else out)[self.output]
        there = ", ".join(map(repr, out)) if named else f"0 to {len(out) - 1}"
        raise AdapterError(f"the operator has no output {self.output!r}; it returned {outputs_of(out)}. Choose one of "
                           f"{there}")


def outputs_of(out: Any) -> str:
    """A collection of outputs in words.

    >>> outputs_of({"map": np.ones((1, 2)), "loss": 3.0})
    "a dict of 2: 'map' is an array of shape (1, 2), 'loss' is a float"
    """
    if not out:
        return f"an empty {type(out).__name__}"
    names = list(out) if isinstance(out, Mapping) else list(range(len(out)))
    parts = [f"{name!r} is {_one(out[name])}" for name in names[:6]] + ["..."] * (len(names) > 6)
    return f"a {type(out).__name__} of {len(out)}: {', '.join(parts)}"


def _one(value):
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" if shape is None else f"an array of shape {tuple(shape)}"


def required_inputs(op: Any) -> list[str]:
    """The names of the arguments without a default of a function, or of the `forward` or `call` of a layer.

    >>> required_inputs(lambda image, mask, scale=1: image), required_inputs(print)
    (['image', 'mask'], [])
    """
    function = next(one for one in (getattr(op, "forward", None), getattr(op, "call", None), op) if callable(one))
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):                     # of a function in C
        return []
    return [one.name for one in parameters if one.default is one.empty
            and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
