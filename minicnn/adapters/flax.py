"""Modules of Flax: a copy of a module of nnx, or a module of linen that is bound to its parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import jax
from .calls import BETWEEN, CallRecord, CallWalk, Described, call_kind
from .given import AdapterError
from .names import top
from .protocol import no_array, no_hint, no_image_shape, no_narrow_dtype, same
from .steps import FunctionCall, Layer

BY_NAMES = True
OWN_ONLY = True                         # a function around a module is a function of JAX
says, is_array, to_array = jax.says, no_array, same             # the arrays are those of JAX
hint, image_shape, narrow_dtype = no_hint, no_image_shape, no_narrow_dtype
SHOWN = ("features", "kernel_size", "strides", "padding", "feature_group_count", "kernel_dilation", "rate")
NAMES = {"Conv": "Conv2d", "ConvTranspose": "ConvTranspose2d", "Dense": "Linear"}       # Flax: PyTorch
MODES = {"SAME": "zeros", "CIRCULAR": "circular", "REFLECT": "reflect"}


def owns(value: Any) -> bool:
    """Whether a value is a module of Flax."""
    return not isinstance(value, type) and any(
        top(base) == "flax" and base.__name__ == "Module" for base in type(value).__mro__)


def is_module(value: Any) -> bool:
    """Whether a value is a module of Flax."""
    return owns(value)


def layout(op: Any) -> str:
    """Flax has its channels last."""
    return "nhwc"


def as_function(op: Any, dtype: str) -> Callable:
    """A copy of the module, in that dtype, as a function of an array of NumPy."""
    if _is_linen(op):
        if op.scope is None:
            return _refuse
        return jax.as_function(op, dtype)
    own: list[Any] = []

    def call(images: Any) -> Any:
        if not own:
            own.append(_copy(op, dtype))
        return own[0](images)
    return jax.as_function(call, dtype)


def snapshots(objects: list[Any]) -> list[Callable[[], None]]:
    """Functions that put back the variables of modules of nnx, for a function may call one: statistics, generators."""
    def of(module, nnx):
        saved = nnx.clone(module)
        return lambda: nnx.update(module, nnx.state(saved))
    return [of(one, sys.modules["flax"].nnx) for one in objects if owns(one) and not _is_linen(one)]


def layer_operators(module: Any, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """The calls of the modules inside of a module."""
    if _is_linen(module) and module.scope is None:
        _refuse(np.zeros(0))
    made: list[Callable] = []

    def run(given, record):
        if not made:                                    # in JAX's 64-bit mode, if it is wanted
            made.append(_linen_run(module) if _is_linen(module) else _nnx_run(_copy(module, dtype)))
        made[0](given, record)
    return CallWalk(lambda images, record: jax.as_function(lambda given: run(given, record), dtype)(images),
                    lambda wanted: CallRecord(_arrays, jax.to_array, wanted), dtype, channels_last).layers(shape)


def _linen_run(module):
    """Flax itself lets one watch the calls of modules of linen."""
    linen = sys.modules["flax.linen"]

    def run(images, record):
        def called(function, args, kwargs, context):
            if context.method_name != "__call__":
                return function(*args, **kwargs)
            return record.called(_described(context.module, ".".join(context.module.path)), function, args, kwargs)
        with linen.intercept_methods(called):
            module(images)
    return run


def _nnx_run(own):
    """Each module of nnx inside of a copy gets a class of its own, whose calls are watched."""
    current: list[CallRecord] = []
    for path, part in sys.modules["flax"].nnx.iter_modules(own):
        if callable(part):
            object.__setattr__(part, "__class__", _watched(type(part), ".".join(map(str, path)), current))

    def run(images, record):
        current[:] = [record]
        own(images)
    return run


def _watched(kind, name, current):
    """A class whose objects tell the present record of each call."""
    def called(self, *args, **kwargs):
        return current[0].called(_described(self, name, kind), lambda *a, **k: kind.__call__(self, *a, **k), args,
                                 kwargs)
    return type(kind)(kind.__name__, (kind,), {"__call__": called, "__module__": kind.__module__})


def _arrays(value):
    """The arrays in a value; none of those that jax.jit traces."""
    return [one for one in sys.modules["jax"].tree.leaves(value) if jax.is_array(one) and not jax.is_traced(one)]


def _described(module, name, kind=None):
    """A module in the words of PyTorch."""
    kind = kind or type(module)
    innermost = top(kind) == "flax" and kind.__name__ != "Sequential"
    if not innermost:
        return Described(name, f"{kind.__name__}()", FunctionCall(BETWEEN, {}), False)
    settings = {key: getattr(module, key, None) for key in SHOWN}
    return Described(name, call_kind(kind, SHOWN, settings), _call_of(module, kind.__name__, settings), True)


def _call_of(module, name, settings):
    """The settings of a module under PyTorch's names."""
    pad, kernel = settings["padding"], settings["kernel_size"]
    mode = MODES.get(pad.upper()) if isinstance(pad, str) else "zeros"
    padded = np.max(kernel or 1) > 1 and mode is not None
    given = {"stride": settings["strides"] or 1, "kernel_size": kernel, "circular": "use padding='CIRCULAR'",
             "padding": 0 if not padded else pad if isinstance(pad, str) else np.max(pad)}
    if "Conv" in name:
        given["padding_mode"] = mode
    given["training"] = getattr(module, "use_running_average", None) is False or (
        getattr(module, "deterministic", None) is False)
    return FunctionCall(NAMES.get(name, name), given)


def _is_linen(op):
    return any(base.__module__.startswith("flax.linen") for base in type(op).__mro__)


def _refuse(images: np.ndarray) -> Any:
    raise AdapterError("a module of flax.linen has no parameters of its own: give module.bind(variables), or a "
                       "function such as lambda images: module.apply(variables, images) with layout='nhwc'")


def _copy(module, dtype):
    """A copy whose floating-point variables have that dtype; in the call of it, JAX's 64-bit mode is on."""
    own, nnx = sys.modules["jax"], sys.modules["flax"].nnx
    new = nnx.clone(module)
    floating = lambda value: hasattr(value, "dtype") and own.numpy.issubdtype(value.dtype, own.numpy.floating)
    nnx.update(new, own.tree.map(lambda value: value.astype(dtype) if floating(value) else value, nnx.state(new)))
    return new
