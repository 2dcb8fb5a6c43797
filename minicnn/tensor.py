"""Tensor, an array that remembers how it was made, and `record`, which puts an operation on the tape."""

from __future__ import annotations

import copy
import sys
import weakref

import numpy as np

from . import autograd
from .errors import InputError, InputTypeError, StateError

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Tensor:
    """A NumPy array with a gradient.

    Parameters
    ----------
    data : array_like
        float32 and float64 arrays are taken as they stand, without a copy; everything else (Python numbers, lists,
        integers, booleans) becomes float32 unless `dtype` says otherwise.
    requires_grad : bool
        Whether `backward` shall compute the gradient with respect to this tensor.
    dtype : float32 or float64, optional

    Attributes
    ----------
    data : ndarray
    grad : ndarray or None
        Filled, and added to, by `backward`; the same shape and dtype as `data`.

    Notes
    -----
    The result of a recorded operation is read-only, so that what backward needs cannot change behind its back; take
    `x.data.copy()` to change a copy. Comparisons give NumPy arrays of booleans. Gradients are of first order only.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ("data", "grad", "requires_grad", "_node", "__weakref__")
    __array_priority__ = 1000
    __array_ufunc__ = None                        # so that ndarray + Tensor asks Tensor.__radd__
    __hash__ = object.__hash__

    def __init__(self, data, requires_grad=False, dtype=None):
        if isinstance(data, Tensor):
            raise InputTypeError(
                "this is a Tensor already; use x.detach() for one that shares its data without a history")
        self.data = _as_float_array(data, dtype)
        self.grad = None
        self.requires_grad = bool(requires_grad)
        self._node = None

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    dtype = property(lambda self: self.data.dtype)
    T = property(lambda self: self.transpose())

    @property
    def is_leaf(self):
        """True unless a recorded operation made this tensor."""
        return self._node is None

    def __repr__(self):
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        made_by = f", made by {self._node.name}" if self._node else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({body}{dtype}{made_by})"

    def __len__(self):
        return len(self.data)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.data, dtype, copy=copy)

    def __float__(self):
        return float(self.item())

    def __bool__(self):
        return bool(self.data)

    def __setitem__(self, index, value):
        raise InputTypeError("a Tensor cannot be assigned to: recorded gradients would silently be wrong. Build a new "
                             "Tensor, or change x.data[...] where no backward pass still needs it.")

    def item(self):
        """The value of a tensor with one element as a Python float."""
        return self.data.item()

    def numpy(self):
        """The array itself, not a copy."""
        return self.data

    def detach(self):
        """A tensor on the same data that has no history and needs no gradient."""
        return Tensor(self.data)

    def retain_grad(self):
        """Keep the gradient of this intermediate result in `.grad` at the next backward (leaves do anyway)."""
        if not self.requires_grad:
            raise StateError("retain_grad: this tensor needs no gradient; it depends on nothing with "
                             "requires_grad=True")
        if self._node is not None:
            self._node.keep = weakref.ref(self)

    def backward(self, gradient=None):
        """Add d(self)/d(leaf) to the `.grad` of every leaf that this tensor was computed from.

        Parameters
        ----------
        gradient : array_like, optional
            The cotangent, of this tensor's shape: what is computed is the gradient of sum(self * gradient). It may be
            left out for a single number.

        Raises
        ------
        RuntimeError
            Nothing here needs a gradient; the graph was freed by an earlier backward; an array was changed in place.
        """
        if not self.requires_grad:
            raise StateError("backward: this tensor needs no gradient; give an input requires_grad=True and compute "
                             "outside of no_grad()")
        if gradient is None:
            if self.size != 1:
                raise StateError(f"backward: a tensor of shape {self.shape} has no single gradient; give the "
                                 "cotangent, backward(gradient), or reduce it to a number first, as in x.sum()")
            gradient = np.ones_like(self.data)
        gradient = np.asarray(gradient.data if isinstance(gradient, Tensor) else gradient, self.dtype)
        if gradient.shape != self.shape:
            raise InputError(f"backward: the gradient has shape {gradient.shape}, the tensor {self.shape}")
        for leaf, grad in autograd.backward(self if self._node is None else self._node, gradient):
            tensor = leaf() if isinstance(leaf, weakref.ref) else leaf
            if tensor is not None:
                # a fresh array, so that nobody's later += can reach an array that a vjp returned or was given
                tensor.grad = grad.copy(order="K") if tensor.grad is None else tensor.grad + grad

    # Arithmetic. Operands broadcast as in NumPy; the engine sums the gradients back to each operand's shape.

    def __add__(self, other):
        a, b = _operands(self, other)
        return record(a.data + b.data, (a, b), lambda grad: (grad, grad), "add")

    def __sub__(self, other):
        a, b = _operands(self, other)
        return record(a.data - b.data, (a, b), lambda grad: (grad, -grad), "sub")

    def __mul__(self, other):
        a, b = _operands(self, other)
        x, y = a.data, b.data
        return record(x * y, (a, b), lambda grad: (grad * y, grad * x), "mul")

    def __truediv__(self, other):
        a, b = _operands(self, other)
        x, y = a.data, b.data
        return record(x / y, (a, b), lambda grad: (grad / y, -grad * x / (y * y)), "div")

    def __pow__(self, other):
        a, b = _operands(self, other)
        x, y, needed = a.data, b.data, b.requires_grad
        out = x ** y

        def vjp(grad):              # d x^y = y x^(y-1) dx + x^y log(x) dy; the second only where y needs it: log x
            dx = grad * np.where(y == 0, 0, y * x ** np.where(y == 0, 1, y - 1))      # may not exist
            return dx, grad * np.where(out == 0, 0, out * np.log(np.where(out == 0, 1, x))) if needed else None
        return record(out, (a, b), vjp, "pow")

    def __matmul__(self, other):
        a, b = _operands(self, other)
        x, y = a.data, b.data
        out = _matmul(x, y)

        def vjp(grad):              # (..., n, k) @ (..., k, m): dx = grad y^T, dy = x^T grad; vectors as thin matrices
            xm, ym = x[None, :] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y
            g = grad[..., None] if y.ndim == 1 else grad
            g = g[..., None, :] if x.ndim == 1 else g
            dx, dy = g @ ym.swapaxes(-1, -2), xm.swapaxes(-1, -2) @ g
            return (dx[..., 0, :] if x.ndim == 1 else dx), (dy[..., 0] if y.ndim == 1 else dy)
        return record(out, (a, b), vjp, "matmul")

    def __neg__(self):
        return record(-self.data, (self,), lambda grad: (-grad,), "neg")

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __rsub__(self, other):
        return as_tensor(other, self.dtype) - self

    def __rtruediv__(self, other):
        return as_tensor(other, self.dtype) / self

    def __rpow__(self, other):
        return as_tensor(other, self.dtype) ** self

    def __rmatmul__(self, other):
        return as_tensor(other, self.dtype) @ self

    def __lt__(self, other):
        return self.data < _data(other)

    def __le__(self, other):
        return self.data <= _data(other)

    def __gt__(self, other):
        return self.data > _data(other)

    def __ge__(self, other):
        return self.data >= _data(other)

    def __eq__(self, other):
        return self.data == _data(other)

    def __ne__(self, other):
        return self.data != _data(other)

    # Shape.

    def __getitem__(self, index):
        """x[index] with NumPy's indices and slices; an element taken twice gets both gradients."""
        shape, dtype = self.shape, self.dtype
        index = copy.deepcopy(index)              # an array of indices may be changed before backward

        def vjp(grad):
            full = np.zeros(shape, dtype)
            np.add.at(full, index, grad)
            return (full,)
        return record(self.data[index], (self,), vjp, "getitem")

    def reshape(self, *shape):
        """The same elements in C order under another shape; one length may be -1."""
        before = self.shape
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return record(self.data.reshape(shape), (self,), lambda grad: (grad.reshape(before),), "reshape")

    def transpose(self, *axes):
        """Axes permuted as in NumPy; all of them reversed where none is given."""
        axes = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        axes = tuple(axes) or tuple(reversed(range(self.ndim)))
        out = self.data.transpose(axes)
        back = tuple(np.argsort([a % self.ndim for a in axes]))
        return record(out, (self,), lambda grad: (grad.transpose(back),), "transpose")

    # Reductions over `axis` (an int, a tuple, or None for all).

    def sum(self, axis=None, keepdims=False):
        """Sum over `axis`."""
        shape = self.shape

        def vjp(grad):
            return (np.broadcast_to(_restore(grad, shape, axis, keepdims), shape),)
        return record(self.data.sum(axis=axis, keepdims=keepdims), (self,), vjp, "sum")

    def mean(self, axis=None, keepdims=False):
        """Mean over `axis`."""
        shape = self.shape
        out = self.data.mean(axis=axis, keepdims=keepdims)
        count = self.size // max(out.size, 1)

        def vjp(grad):
            return (np.broadcast_to(_restore(grad, shape, axis, keepdims) / count, shape),)
        return record(out, (self,), vjp, "mean")

    def max(self, axis=None, keepdims=False):
        """Largest element along `axis`; the gradient is shared evenly where several are largest."""
        x = self.data
        out = x.max(axis=axis, keepdims=keepdims)

        def vjp(grad):
            largest = x == _restore(out, x.shape, axis, keepdims)
            ties = largest.sum(axis=axis, keepdims=True).astype(x.dtype)
            return (largest * (_restore(grad, x.shape, axis, keepdims) / ties),)
        return record(out, (self,), vjp, "max")

    # Functions of one element each.

    def exp(self):
        """e to the power of each element; d exp(x) = exp(x) dx."""
        out = np.exp(self.data)
        return record(out, (self,), lambda grad: (grad * out,), "exp")

    def log(self):
        """Natural logarithm; d log(x) = dx / x."""
        x = self.data
        return record(np.log(x), (self,), lambda grad: (grad / x,), "log")


def record(out, inputs, vjp, name=None):
    """Make the Tensor of an operation's result and put the operation on the tape: the whole extension interface.

    Parameters
    ----------
    out : ndarray
        The result. If the operation is recorded it is made read-only.
    inputs : tuple of Tensor
    vjp : callable
        Given the cotangent of `out`, an array that it must not change, returns a tuple with the gradient of each
        input: an array of that input's dtype and of its shape (or of a shape broadcast from it; the engine sums it
        back), or None for zero. It may capture arrays but should not capture the output Tensor.
    name : str, optional
        For error messages; the name of the calling function by default.

    Returns
    -------
    Tensor
        Recorded if an input requires a gradient and `no_grad()` is not in force.

    Examples
    --------
    >>> def cube(x):
    ...     a = x.data
    ...     return record(a ** 3, (x,), lambda grad: (grad * 3 * a ** 2,))
    >>> x = Tensor([2.0], requires_grad=True)
    >>> y = cube(x)
    >>> y
    Tensor([8.], made by cube)
    >>> y.backward()
    >>> x.grad
    array([12.], dtype=float32)
    """
    out = np.asarray(out)
    if not isinstance(inputs, tuple) or not all(isinstance(t, Tensor) for t in inputs):
        raise InputTypeError(
            f"{name or sys._getframe(1).f_code.co_name}: record takes the inputs as a tuple of Tensors, as "
            "in record(out, (x,), vjp)")
    result = Tensor(out, dtype=out.dtype)
    if autograd.grad_enabled() and any(t.requires_grad for t in inputs):
        name = name or sys._getframe(1).f_code.co_name
        parents = tuple((t._node or t) if t.requires_grad else None for t in inputs)
        watched = tuple(autograd.Watched(t.data, t._node is not None) for t in inputs)
        if any(result.data is t.data for t in inputs):
            result.data = result.data.view()      # an operation that returns its input: keep the flags apart
        result.data.flags.writeable = False
        result.requires_grad = True
        result._node = autograd.Node(name, vjp, parents, watched, out.dtype)
    return result


def as_tensor(value, dtype=None):
    """`value` if it is a Tensor, else a Tensor of it; Python numbers take `dtype` (float32 if None)."""
    if isinstance(value, Tensor):
        return value
    return Tensor(value, dtype=dtype if isinstance(value, (int, float)) else None)


def _operands(a, b):
    return a, as_tensor(b, a.dtype)


def _data(value):
    return value.data if isinstance(value, Tensor) else value


def _as_float_array(data, dtype):
    is_array = isinstance(data, (np.ndarray, np.generic))
    array = np.asarray(data)
    if dtype is None:
        dtype = array.dtype if is_array and array.dtype in FLOATS else np.float32
    if np.dtype(dtype) not in FLOATS or array.dtype.kind not in "fiub" or array.dtype.kind == "f" and (
            is_array and array.dtype not in FLOATS):
        raise InputTypeError(
            f"a Tensor holds float32 or float64, not {array.dtype if np.dtype(dtype) in FLOATS else dtype}"
            ": convert the data first, for example with np.asarray(data, np.float32)")
    return array.astype(dtype, copy=False)


def _matmul(x, y):
    try:
        return x @ y
    except ValueError:
        raise InputError(f"matmul: shapes {x.shape} and {y.shape} do not fit: the last length of the first must equal "
                         "the last but one of the second") from None


def _restore(reduced, shape, axis, keepdims):
    """A reduced array with its reduced axes back as axes of length 1, so that it broadcasts to `shape`."""
    if keepdims or axis is None:
        return np.reshape(reduced, (1,) * len(shape)) if axis is None else reduced
    return np.expand_dims(reduced, axis)
