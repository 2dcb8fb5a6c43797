"""Functions of JAX: they get jax.Arrays, in float64 where the function allows it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .names import top
from .protocol import no_hint, no_image_shape, no_layers, no_layout, no_module, no_narrow_dtype, no_snapshots

BY_NAMES = True
OWN_ONLY = False
layout, image_shape, narrow_dtype = no_layout, no_image_shape, no_narrow_dtype
snapshots, hint = no_snapshots, no_hint         # arrays of JAX do not change, and it has no generator with a state
is_module, layer_operators = no_module, no_layers


def owns(value: Any) -> bool:
    """Whether a value is a module, function or array of JAX, or of Flax or Equinox, or compiled by jax.jit."""
    libraries = ("jax", "jaxlib", "flax", "equinox", "haiku")
    return top(value) in libraries or any(top(base) in libraries for base in type(value).__mro__)


def says(op: Any) -> str:
    """How a function is called."""
    return "called with arrays of JAX"


def as_function(op: Callable, dtype: str) -> Callable:
    """`op` as a function of an array of NumPy. In float64 JAX's 64-bit mode is on during the call."""
    def call(images: np.ndarray) -> Any:
        jax = sys.modules["jax"]
        if dtype == "float32":
            return to_array(op(jax.numpy.asarray(images)))
        with with_64_bits(jax):
            return to_array(op(jax.numpy.asarray(images)))
    return call


def is_array(value: Any) -> bool:
    """Whether a value is a jax.Array."""
    return isinstance(value, sys.modules["jax"].Array)


def to_array(value: Any) -> Any:
    """A jax.Array as an array of NumPy; another value as it is."""
    return np.array(value) if is_array(value) else value


def is_traced(value: Any) -> bool:
    """Whether a value is no array but what jax.jit traces."""
    return "jax" in sys.modules and isinstance(value, sys.modules["jax"].core.Tracer)


def with_64_bits(jax: Any) -> Any:
    """Context manager: JAX computes in float64 where it gets float64."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return sys.modules["jax.experimental"].enable_x64()             # before version 0.8
