"""Tensor and `record`."""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arithmetic, autograd
from ..checks import boolean
from ..errors import InputError, InputTypeError, StateError
from . import numpy_functions, torch_names
from .conversions import Conversions, data_of
from .methods import Methods


class Tensor(Methods):
    """A NumPy array with a gradient.

    Parameters
    ----------
    data : array_like
        float32 and float64 arrays are used without a copy. All other data (Python numbers, lists of numbers, integers,
        booleans) become float32, or `dtype`.
    requires_grad : bool
        Whether `backward` computes the gradient with respect to this tensor.
    dtype : float32 or float64, optional

    Raises
    ------
    InputTypeError
        The data is a Tensor, holds a Tensor that requires a gradient, or does not hold real numbers.
    InputError
        There are integers that float32 does not hold exactly, and no dtype is given.

    Attributes
    ----------
    data : ndarray
    grad : ndarray or None
        `backward` sets it or adds to it. It is an array with the shape and dtype of `data`.
    gradient_hook : callable or None
        Of a leaf: hook(gradient) is called in `backward` as soon as the gradient of this pass is complete, while the
        gradients of other leaves are still computed. It must not change the array. It returns None, or a function
        without arguments: `backward` calls the function at its end, and takes the result, an array of the same shape
        and dtype, instead of the gradient. `minicnn.distributed` thus adds the gradients of several computers.

    Notes
    -----
    The result of a recorded operation is read-only, because `backward` may need it. To change it, make a copy,
    `x.data.copy()`.
    The other operand of an operator may be a number, a list or an array. Numbers take the tensor's dtype, and so do
    arrays of integers and booleans if that dtype holds their values exactly (else they become float64).
    Comparisons give NumPy arrays of booleans. Gradients are of first order only.
    NumPy's functions of Tensors are recorded where minicnn has the operation (np.exp, np.where, np.concatenate, ...):
    `minicnn/functional/OPERATIONS.md` has the table. Any other function that would drop a gradient raises
    InputTypeError.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ()
    __array_priority__ = 1000

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, Tensor):
            raise InputTypeError(
                "this is a Tensor already; use x.detach() for one that shares its data without a history")
        self.data: np.ndarray = arithmetic.as_float_array(data, dtype)
        self.grad: np.ndarray | None = None
        self._node: autograd.Node | None = None
        self.gradient_hook = None
        self.requires_grad = requires_grad

    if not TYPE_CHECKING:
        def __getattr__(self, name):
            """Only names that are not there come here. One of PyTorch's is answered by what to write instead."""
            if hint := torch_names.method_hint(name):
                raise AttributeError(f"a Tensor has no attribute {name!r}: write {hint}; {torch_names.TABLE}",
                                     name=name, obj=self)
            return object.__getattribute__(self, name)          # raises the error of Python, or that of a property

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes the gradient. It can be set for a leaf only."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        value = boolean("requires_grad", value)
        if self._node is not None and value != self._requires_grad:
            raise StateError(f"requires_grad: this tensor was made by {self._node.name}; use x.detach() to cut it off")
        self._requires_grad = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64."""
        return self.data.dtype

    @property
    def T(self) -> Tensor:
        """All axes reversed."""
        return self.transpose()

    @property
    def is_leaf(self) -> bool:
        """True unless a recorded operation made this tensor."""
        return self._node is None

    def numpy(self) -> np.ndarray:
        """The array itself, not a copy."""
        return self.data

    def detach(self) -> Tensor:
        """A tensor on the same data that has no history and needs no gradient."""
        return Tensor(self.data)

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in `.grad` at the next backward. Leaves always keep theirs."""
        if not self.requires_grad:
            raise StateError("retain_grad: this tensor needs no gradient; it depends on nothing with "
                             "requires_grad=True")
        if self._node is not None:
            self._node.keep = weakref.ref(self)

    def backward(self, gradient: Any = None) -> None:
        """Add d(self)/d(leaf) to the `.grad` of every leaf that this tensor was computed from.

        Parameters
        ----------
        gradient : array_like, optional
            The cotangent, of this tensor's shape: `backward` computes the gradient of sum(self * gradient). It is
            optional if this tensor is a single number.

        Raises
        ------
        StateError
            This tensor needs no gradient; the cotangent is missing; an earlier backward freed the graph; an array was
            changed in place.
        InputError
            The cotangent, or a gradient that a leaf has already, has another shape.
        """
        if not self.requires_grad:
            raise StateError("backward: this tensor needs no gradient; give an input requires_grad=True and compute "
                             "outside of no_grad()")
        if gradient is None:
            if self.size != 1:
                raise StateError(f"backward: a tensor of shape {self.shape} has no single gradient; give the "
                                 "cotangent, backward(gradient), or reduce it to a number first, as in x.sum()")
            gradient = np.ones_like(self.data)
        gradient = arithmetic.as_float_array(data_of(gradient), self.dtype)
        if gradient.shape != self.shape:
            raise InputError(f"backward: the gradient has shape {gradient.shape}, the tensor {self.shape}")
        tensors, grads = [], []
        for leaf, grad in autograd.backward(self if self._node is None else self._node, gradient):
            tensor = leaf() if isinstance(leaf, weakref.ref) else leaf
            if tensor is not None:
                # a new array: a later += must not change an array that a vjp returned or received
                tensors.append(tensor)
                old = data_of(tensor.grad)
                grads.append(np.array(grad, order="K") if old is None else autograd.sum_of_gradients(old, grad))
        deque(map(_SET_GRAD, tensors, grads), maxlen=0)      # all or none: Ctrl-C cannot come in between

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """np.exp(x), array * x: see `numpy_functions`."""
        plain = method == "__call__"
        return numpy_functions.call(ufunc if plain else getattr(ufunc, method),
                                    f"np.{ufunc.__name__}{'' if plain else '.' + method}", inputs, kwargs, _apply)

    def __array_function__(self, function: Callable, types: Any, args: Any, kwargs: Any) -> Any:
        """np.concatenate([x, y]): see `numpy_functions`."""
        name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        return numpy_functions.call(function, name, args, kwargs, _apply)

    def _binary(self, other, operation, name, swapped=False):
        other = as_tensor(other, self.dtype)
        x, y = (other, self) if swapped else (self, other)
        out, vjp = operation(x.data, y.data)
        return record(out, (x, y), vjp, name)

    def _unary(self, operation, name, *arguments):
        out, vjp = operation(self.data, *arguments)
        return record(out, (self,), vjp, name)


def record(out: np.ndarray, inputs: tuple[Tensor, ...], vjp: Callable, name: str | None = None) -> Tensor:
    """Make the Tensor of an operation's result and put the operation on the tape. New operations need only this.

    Parameters
    ----------
    out : ndarray
        The result. If the operation is recorded, the array becomes read-only.
    inputs : tuple of Tensor
    vjp : callable
        vjp(grad) gets the cotangent of `out`, an array that it must not change. It returns a tuple with the gradient of
        each input: an array of that input's dtype and shape, or None for zero. The shape may be broadcast from the
        input's shape; the engine sums the gradient back. The vjp may capture arrays, but not the output Tensor.
    name : str, optional
        The name in error messages; by default the name of the calling function.

    Returns
    -------
    Tensor
        Recorded if an input requires a gradient and `no_grad()` is not in force.

    Raises
    ------
    InputTypeError
        `inputs` is not a tuple of Tensors.

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
    if not isinstance(inputs, tuple) or False in [isinstance(t, Tensor) for t in inputs]:
        raise InputTypeError(
            f"{name or sys._getframe(1).f_code.co_name}: record takes the inputs as a tuple of Tensors, as "
            "in record(out, (x,), vjp)")
    result = Tensor(out, dtype=out.dtype)
    if autograd.grad_enabled() and True in [t._requires_grad for t in inputs]:
        name = name or sys._getframe(1).f_code.co_name
        parents = tuple([(t._node or t) if t._requires_grad else None for t in inputs])
        watched = tuple([autograd.Watched(t.data, t._node is not None) for t in inputs])
        if True in [result.data is t.data for t in inputs]:
            result.data = result.data.view()      # the operation returned its input, which must stay writeable
        result.data.flags.writeable = False
        result._requires_grad = True
        result._node = autograd.Node(name, vjp, parents, watched, out.dtype)
    if _listeners:
        for listener in _listeners:
            listener(name, inputs, result, sys._getframe(1))
    return result


_listeners: list[Callable] = []


@contextlib.contextmanager
def recorded(listener: Callable) -> Iterator[None]:
    """Context manager: `record` calls listener(name or None, inputs, result, frame of its caller) in this thread.

    >>> names = []
    >>> with recorded(lambda name, inputs, result, frame: names.append(name)):
    ...     _ = Tensor([1.0]) + 2
    >>> names
    ['add']
    """
    thread = threading.get_ident()
    own = lambda *given: listener(*given) if threading.get_ident() == thread else None
    _listeners.append(own)
    try:
        yield
    finally:
        _listeners.remove(own)


_SET_GRAD = vars(Conversions)["grad"].__set__


def as_tensor(value: Any, dtype: Any = None) -> Tensor:
    """`value` if it is a Tensor, else a Tensor of it: of `dtype` as `arithmetic.as_operand` says, if it is given."""
    if isinstance(value, Tensor):
        return value
    return Tensor(value if dtype is None else arithmetic.as_operand(value, np.dtype(dtype)))


def _apply(name, operation, operands):
    """Record an operation on operands of which at least one is a Tensor."""
    dtype = np.result_type(*[t.dtype for t in operands if isinstance(t, Tensor)])
    tensors = tuple([as_tensor(value, dtype) for value in operands])
    out, vjp = operation(*[t.data for t in tensors])
    return record(out, tensors, vjp, name)
