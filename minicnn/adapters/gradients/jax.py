"""Functions of JAX with the gradients of jax.vjp, as functions of arrays of NumPy."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..jax import is_array, to_array, with_64_bits
from ..names import DifferentiationError

NAME = "jax"
LIBRARIES = frozenset(("jax", "jaxlib", "flax", "equinox", "haiku"))
SAYS = "called with arrays of JAX, and differentiated by jax.vjp"


class Differentiated:
    """A function of JAX as two functions of arrays. A pytree is checked leaf by leaf, also a function that is one.

    Parameters
    ----------
    func : callable
    inputs : sequence
        Arrays of JAX or NumPy, pytrees of them, and other objects, which are passed on.
    checked : sequence of int
        The numbers of the inputs whose floating-point arrays are checked.
    dtype : {"float64", "float32"}
        With float64 JAX's 64-bit mode is on during each call.

    Attributes
    ----------
    names : list of str
    arrays : list of ndarray
        The checked arrays, of their own dtypes.
    constant_outputs, hidden_changes
        Empty: JAX does not say which outputs carry no gradient, and no array changes.
    """

    constant_outputs: frozenset[int] = frozenset()
    hidden_changes: tuple[int, ...] = ()

    def __init__(self, func: Any, inputs: Sequence[Any], checked: Sequence[int], dtype: str):
        self.jax: Any = sys.modules["jax"]
        self.dtype, self.names, self.arrays = dtype, [], []
        self.trees: list[tuple[list[Any], Any]] = []        # leaves and structure of the function, then of each input
        self.places: list[tuple[int, int]] = []             # where a checked array belongs: (tree, leaf)
        for i, value in enumerate((func, *inputs)):
            leaves, tree = self.jax.tree_util.tree_flatten_with_path(value)
            self.trees.append(([leaf for _, leaf in leaves], tree))
            for n, (path, leaf) in enumerate(leaves):
                if (i == 0 or i - 1 in checked) and self._is_float(i, leaf):
                    where = self.jax.tree_util.keystr(path)
                    self.names.append(f"input {i - 1}{where}" if i else f"parameter {where}")
                    self.arrays.append(np.array(leaf))
                    self.places.append((i, n))

    def _is_float(self, i, leaf):
        if not isinstance(leaf, np.ndarray) and not is_array(leaf):
            return False
        dtype = self.jax.numpy.asarray(leaf).dtype          # bfloat16 is none of NumPy's own
        if self.jax.numpy.issubdtype(dtype, self.jax.numpy.complexfloating):
            raise DifferentiationError(f"gradcheck: {f'input {i - 1}' if i else 'a parameter'} is {dtype}, and only "
                                       "gradients of real numbers are checked: split it into its real and its "
                                       "imaginary part")
        return self.jax.numpy.issubdtype(dtype, self.jax.numpy.floating)

    def forward(self, points: list[np.ndarray]) -> list[np.ndarray]:
        """The floating-point outputs at `points`."""
        with self._mode():
            return [to_array(out) for out in self._call(*map(self._given, points))]

    def backward(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        """The gradient of sum over k of <cotangents[k], output k> with respect to each point."""
        with self._mode():
            _, pull = self.jax.vjp(self._call, *map(self._given, points))
            return [to_array(one) for one in pull(tuple(map(self.jax.numpy.asarray, cotangents)))]

    def freeze(self) -> None:
        """Nothing: JAX has no generator with a state."""

    def variants(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[Any]:
        """No other ways: the memory of an array of JAX cannot be seen or changed."""
        return []

    def _mode(self):
        return with_64_bits(self.jax) if self.dtype == "float64" else contextlib.nullcontext()

    def _given(self, array):
        return self.jax.numpy.asarray(array.astype(self.dtype))

    def _call(self, *points):
        trees = [list(leaves) for leaves, _ in self.trees]
        for leaves in trees[1:]:
            leaves[:] = [self._other(leaf) for leaf in leaves]
        for (i, n), point in zip(self.places, points, strict=True):
            trees[i][n] = point
        func, *inputs = (self.jax.tree_util.tree_unflatten(tree, leaves)
                         for leaves, (_, tree) in zip(trees, self.trees, strict=True))
        found = self.jax.tree_util.tree_leaves(func(*inputs))
        outputs = tuple(one for one in found if is_array(one) and
                        self.jax.numpy.issubdtype(one.dtype, self.jax.numpy.inexact))
        if not outputs:
            kinds = ", ".join(sorted({_kind(one) for one in found}))
            raise DifferentiationError("gradcheck: the function must return a floating-point array of JAX, or a pytree "
                                       f"with one, not {kinds or 'nothing'}")
        return outputs

    def _other(self, leaf):
        """An array that is not checked: a floating-point one in the dtype of the others."""
        return self._given(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else leaf


def as_inputs(arrays: Sequence[np.ndarray]) -> list[Any]:
    """Arrays of JAX in float64 with these values."""
    jax = sys.modules["jax"]
    with with_64_bits(jax):
        return [jax.numpy.asarray(one) for one in arrays]


def is_checked(value: Any) -> bool:
    """True: of a pytree, all floating-point arrays are checked."""
    return True


def takes_class(value: type) -> bool:
    """False: no class of JAX is a function."""
    return False


def signature(func: Any) -> inspect.Signature:
    """The signature of a function."""
    return inspect.signature(func)


def why_random(func: Any) -> str:
    """"": JAX draws no numbers that its keys do not determine."""
    return ""


def _kind(value):
    return f"an array of {value.dtype}" if is_array(value) else f"a {type(value).__name__}"
