"""Modules of Flax: a copy of a module of nnx, or a module of linen that is bound to its parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import jax
from .given import AdapterError
from .names import top
from .protocol import no_array, no_hint, no_image_shape, no_layers, no_module, no_narrow_dtype, same

BY_NAMES = True
OWN_ONLY = True                         # a function around a module is a function of JAX
says, is_array, to_array = jax.says, no_array, same             # the arrays are those of JAX
hint, image_shape, narrow_dtype = no_hint, no_image_shape, no_narrow_dtype
is_module, layer_operators = no_module, no_layers


def owns(value: Any) -> bool:
    """Whether a value is a module of Flax."""
    return not isinstance(value, type) and any(
        top(base) == "flax" and base.__name__ == "Module" for base in type(value).__mro__)


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
