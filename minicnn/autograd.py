"""The tape: nodes, the order of the backward pass, un-broadcasting, and checks of the gradients that a vjp returns.

The tape knows arrays only. Gradients are computed for leaves; any object that is not a Node is a leaf. The attribute
`gradient_hook` of a leaf, if it is not None, is called as soon as the gradient of the leaf is complete.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from .arithmetic import as_float_array, sum_over
from .errors import InputError, InputTypeError, StateError
from .grad_mode import grad_enabled as grad_enabled
from .grad_mode import no_grad as no_grad


class Node:
    """One recorded operation: its vector-Jacobian product (vjp) and its inputs.

    Attributes
    ----------
    name : str
        The name of the operation, for error messages.
    vjp : callable
        Cotangent of the output -> tuple with the gradient (or None) of each input. None after `backward` has used it.
    parents : tuple
        For each input a Node, a leaf, or None if no gradient is needed.
    inputs : tuple of Watched
        The input arrays, checked for in-place changes before the vjp runs.
    dtype : dtype
        The dtype of the output.
    keep : object or None
        If it is set, `backward` also returns the gradient of this node's output, under this object.
    """

    __slots__ = ("name", "vjp", "parents", "inputs", "dtype", "keep")

    def __init__(self, name: str, vjp: Callable, parents: tuple, inputs: tuple[Watched, ...], dtype: np.dtype) -> None:
        self.name, self.parents, self.inputs, self.dtype = name, parents, inputs, dtype
        self.vjp: Callable | None = vjp
        self.keep: Hashable | None = None


class Watched:
    """An input array as it was at the time of recording.

    The result of a recorded operation is read-only (`protected`): NumPy itself refuses to change it. Any other array
    (data, parameters) is remembered by its `fingerprint`.
    """

    __slots__ = ("array", "before")

    def __init__(self, array: np.ndarray, protected: bool) -> None:
        self.array, self.before = array, None if protected else fingerprint(array)

    def changed(self) -> bool:
        """Whether the array was changed, or could have been."""
        return self.array.flags.writeable if self.before is None else fingerprint(self.array) != self.before


BLOCK = 1024                    # words of 8 bytes that are multiplied by one set of keys
EXACT = 2**18                   # bytes: up to here a copy is faster than a hash


def fingerprint(array: np.ndarray) -> tuple[bytes, ...]:
    """A value that another content of the array does not have: the bytes of an array up to EXACT, else a hash.

    The hash of a block of 64-bit words is sum over i of v[i] key[i], modulo 2^64, with fixed random odd keys and
    v = w xor (w >> 29). Without the shift, a changed sign (the highest bit of a word) would change the sum by 2^63, and
    two of them by nothing. The fingerprint contains the hash of each block and the bytes after the last block.

    References
    ----------
    Carter & Wegman 1979, "Universal Classes of Hash Functions", section 3.

    Examples
    --------
    >>> x = np.zeros((2, 3))
    >>> before = fingerprint(x)
    >>> x[1, 2] = 1e-300
    >>> fingerprint(x) == before
    False
    """
    flat = array.ravel(order="K")                 # a copy only where the array has gaps
    if array.nbytes <= EXACT:
        return (flat.tobytes(),)
    flat = flat.view(np.uint8)
    end = flat.size // (8 * BLOCK) * (8 * BLOCK)
    words = flat[:end].view(np.uint64).reshape(-1, BLOCK)
    sums = np.empty(len(words), np.uint64)
    for i in range(0, len(words), 32):            # 256 KB at a time, which stay in the cache
        mixed = words[i:i + 32] >> np.uint64(29)
        mixed ^= words[i:i + 32]
        np.matmul(mixed, _keys(), out=sums[i:i + 32])
    return sums.tobytes(), flat[end:].tobytes()


@functools.cache
def _keys():
    return np.random.default_rng(0).integers(0, 2**64, BLOCK, np.uint64) | np.uint64(1)


def unbroadcast(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The adjoint of broadcasting: sum over the axes along which an input of `shape` was repeated.

    >>> unbroadcast(np.ones((4, 2, 3)), (2, 1))
    array([[12.],
           [12.]])
    """
    if grad.shape == tuple(shape):
        return grad
    new = grad.ndim - len(shape)
    repeated = tuple(i + new for i, n in enumerate(shape) if n == 1 and grad.shape[i + new] != 1)
    return sum_over(grad, (*range(new), *repeated), keepdims=True).reshape(shape)


def backward(root: Any, cotangent: np.ndarray) -> list[tuple[Any, np.ndarray]]:
    """Walk the tape from `root` and return [(leaf, gradient), ...], each leaf once.

    Every node is visited once, after all nodes that use its output. The walk is a loop, so the depth of the graph is
    not limited. The vjp and the arrays of a node are freed as soon as they have been used. Gradients become infinite or
    NaN without a warning of NumPy.

    Parameters
    ----------
    root : Node or leaf
    cotangent : ndarray
        The gradient of the final scalar with respect to the output of `root`.

    Notes
    -----
    A leaf may have a `gradient_hook`. It gets the complete gradient of the leaf while the walk goes on, and returns
    None or a function. After the walk the function is called, and its result takes the place of the gradient.

    Raises
    ------
    StateError
        The graph was walked before, or an array was changed in place since it was recorded.
    InputTypeError, InputError
        A vjp returned the wrong number of gradients, or one of the wrong shape or dtype.
    """
    with np.errstate(all="ignore"):
        found = _gradients_of_leaves(root, cotangent)
        return [(leaf, grad() if callable(grad) else grad) for leaf, grad in found.items()]


def _gradients_of_leaves(root, cotangent):
    gradients, leaves = {root: cotangent}, {}
    for node in _topological_order(root):
        grad = gradients.pop(node)
        if not isinstance(node, Node):
            hook = getattr(node, "gradient_hook", None)
            leaves[node] = grad if hook is None else _hooked(hook, grad)
            continue
        if node.keep is not None:
            leaves[node.keep] = grad
        for parent, part in zip(node.parents, _vjp(node, grad), strict=True):
            if parent is not None:
                # a new array, never +=: the vjp may have returned one array for two inputs; 0-d sums are no arrays
                gradients[parent] = np.asarray(gradients[parent] + part) if parent in gradients else part
        node.vjp, node.parents, node.inputs = None, (), ()
    return leaves


def _hooked(hook, grad):
    """The gradient of a leaf, or the function that will give it."""
    function = hook(grad)
    if function is not None and not callable(function):
        raise InputTypeError("gradient_hook: a hook returns None, or a function without arguments that gives the "
                             f"gradient at the end of backward, not a {type(function).__name__}")
    return grad if function is None else function


def sum_of_gradients(old: Any, new: np.ndarray) -> np.ndarray:
    """The gradient that a leaf has, plus a new one, as a new array.

    The user may have set the old one, to a number or an array of any floats. Another shape raises InputError.

    >>> sum_of_gradients(0, np.ones(2))
    array([1., 1.])
    """
    if type(old) is not np.ndarray or old.dtype != new.dtype or old.shape != new.shape:
        old = as_float_array(old, new.dtype)
        if old.shape not in ((), new.shape):
            raise InputError(f"backward: the tensor of shape {new.shape} has a gradient of shape {old.shape} already; "
                             "set its grad to None, or to an array of the same shape")
    with np.errstate(all="ignore"):
        return np.asarray(old + new)


def _topological_order(root):
    """Nodes and leaves below `root`, each after all nodes that use it: Kahn's algorithm on counts of users."""
    users, stack, parents = {root: 0}, [root], {}
    while stack:
        node = stack.pop()
        parents[node] = _parents(node)
        for parent in parents[node]:
            if parent not in users:
                users[parent] = 0
                stack.append(parent)
            users[parent] += 1
    order, ready = [], [root]
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in parents[node]:
            users[parent] -= 1
            if users[parent] == 0:
                ready.append(parent)
    return order


def _parents(node):
    if not isinstance(node, Node):
        return ()
    if node.vjp is None:
        raise StateError(f"{node.name}: backward was already run through this operation, and its arrays are freed. "
                         "Compute the forward pass again, or add up the losses and call backward once.")
    return [p for p in node.parents if p is not None]


def _vjp(node, grad):
    """The vjp's gradients, checked; None for inputs that need no gradient."""
    for i, watched in enumerate(node.inputs):
        if watched.changed():
            raise StateError(f"{node.name}: input {i}, shape {watched.array.shape}, was changed in place after the "
                             "forward pass, so its gradient would be wrong. Change a copy, or change it after "
                             "backward.")
    parts = node.vjp(grad)
    if not isinstance(parts, tuple) or len(parts) != len(node.parents):
        got = f"a tuple of {len(parts)}" if isinstance(parts, tuple) else f"a {type(parts).__name__}"
        raise InputTypeError(f"{node.name}: vjp must return a tuple with one gradient (or None) for each of its "
                             f"{len(node.parents)} input(s), not {got}")
    return [None if parent is None else _checked(node, i, part)
            for i, (parent, part) in enumerate(zip(node.parents, parts, strict=True))]


def _checked(node, i, part):
    array = node.inputs[i].array
    if type(part) is np.ndarray and part.shape == array.shape and part.dtype == array.dtype:
        return part
    if part is None:
        return np.zeros_like(array)
    if not isinstance(part, (np.ndarray, np.floating)):
        raise InputTypeError(
            f"{node.name}: vjp returned a {type(part).__name__} for input {i}; it must be an array or None")
    part = np.asarray(part)
    try:
        fits = np.broadcast_shapes(part.shape, array.shape) == part.shape
    except ValueError:
        fits = False
    if not fits:
        raise InputError(f"{node.name}: vjp returned shape {part.shape} for an input of shape {array.shape}")
    if part.dtype != array.dtype:
        if array.dtype == node.dtype:
            raise InputTypeError(f"{node.name}: vjp returned dtype {part.dtype} for an input of dtype {array.dtype}")
        return unbroadcast(part, array.shape).astype(array.dtype)         # the operation mixed float32 and float64
    return unbroadcast(part, array.shape)
