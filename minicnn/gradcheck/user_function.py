"""`gradcheck` of a user's function. The number of inputs comes from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from ..adapters.gradients import differentiator, named_differentiators
from ..adapters.names import DifferentiationError
from ..checks import generator
from ..errors import InputError, InputTypeError, raised_in
from ..nn.module import Module
from ..nn.unchanged import looking
from ..progress import SILENT, Progress
from .check import size_error, target_of
from .foreign import ForeignError, refuse_foreign
from .inputs import is_shape, safe_inputs
from .operations import Operation, OperationResult, check_operation
from .target import GradcheckError, is_pair

DEFAULT_SHAPE = (3, 4)


class ShapesError(InputError):
    """The function cannot be checked on inputs of these shapes."""

    __module__ = "minicnn.gradcheck"


@looking
def check_user_function(function: Any, shapes: Sequence[tuple[int, ...]] | None = None, seed: int = 0, *,
                        name: str | None = None, progress: Progress = SILENT, **options: Any) -> OperationResult:
    """Check the gradient of a function in float64, on inputs from `safe_inputs`.

    Parameters
    ----------
    function : callable, Module, or (forward, backward)
        A function of Tensors; a Module, whose parameters are checked too; or a pair of functions on arrays. Also a
        Module, a function or a torch.autograd.Function of PyTorch, or a function of JAX, which its own library
        differentiates. If a function raises an exception for Tensors, it is tried with tensors of the library that its
        code names; `OperationResult.called` says so.
    shapes : sequence of tuple of int, optional
        The shape of each input. By default (3, 4) for each argument that has no default value.
    seed : int
        Seed of the inputs.
    name : str, optional
        The name in the result and in messages. By default the function's own name.
    progress : Progress
    **options
        As in `gradcheck`: eps, atol, rtol, fast_mode, ...

    Returns
    -------
    OperationResult

    Raises
    ------
    TypeError
        `function` is not one of these kinds, or belongs to another library.
    ShapesError
        The function raised an exception in its forward pass, or the Jacobian is too large; see `gradcheck`.
    ValueError
        `shapes` is not a sequence of tuples of integers of at least 1.

    Examples
    --------
    >>> check_user_function(lambda x, factor: x * factor, [(3, 4), (4,)], name="scale").passed
    True
    >>> square = (lambda x: x * x), (lambda grad, x: grad * x)
    >>> check_user_function(square).reason.splitlines()[-1]
    'analytic = 0.5 x numeric everywhere: is a factor missing or one too many, or one of two uses of the input?'
    """
    name = getattr(function, "__name__", type(function).__name__) if name is None else name
    adapter = None if is_pair(function) else differentiator(function)
    if adapter is None:
        refuse_foreign(name, function)
    if isinstance(function, type) and not takes_class(function) or not (callable(function) or is_pair(function)):
        raise InputTypeError(f"{name} is a {type(function).__name__}: give a function of Tensors, an instance of a "
                             "Module, or a pair (forward, backward) of functions on arrays")
    if shapes is not None and not are_shapes(shapes):
        raise InputError(f"shapes must be as in [(3, 4), (4,)], not {shapes!r}")
    shapes = _default_shapes(function, adapter) if shapes is None else shapes
    inputs = safe_inputs(*shapes, rng=generator("rng", None, seed))
    given: Sequence[Any] = tuple(t.data for t in inputs) if is_pair(function) or adapter else inputs
    given, too_large = _by_trying(name, function, given)
    if too_large and not options.get("fast_mode"):
        raise ShapesError(f"{name}: {too_large}; give other shapes")
    options = {"eps": 1e-6, "atol": None, "rtol": 1e-5} | options
    return check_operation(Operation(name, "", function, tuple(given), options), progress)


def takes_class(value: Any) -> bool:
    """Whether a value is a class that can be checked: a torch.autograd.Function.

    >>> takes_class(int)
    False
    """
    adapter = differentiator(value) if isinstance(value, type) else None
    return adapter is not None and adapter.takes_class(value)


def are_shapes(value: Any) -> bool:
    """Whether `value` is a sequence of shapes for `check_user_function`.

    >>> are_shapes([(3, 4), (4,)]), are_shapes([3, 4])
    (True, False)
    """
    return isinstance(value, (tuple, list)) and len(value) > 0 and all(is_shape(shape, 1) for shape in value)


def _default_shapes(function, adapter):
    called = function[0] if is_pair(function) else function.forward if isinstance(function, Module) else function
    try:
        arguments = (adapter or inspect).signature(called).parameters.values()
    except (TypeError, ValueError):                 # a function written in C has no signature
        return [DEFAULT_SHAPE]
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    positional = [a for a in arguments if a.default is a.empty and a.kind in kinds]
    return [DEFAULT_SHAPE] * max(1, len(positional))


def _by_trying(name, function, inputs):
    """`_call_once`; if the function does not take these inputs, with those of a library that its code names."""
    try:
        return _call_once(name, function, inputs)
    except (ForeignError, ShapesError) as error:
        other: Exception | None = None
        for adapter in named_differentiators(function, getattr(error, "library", None)):
            try:
                return _call_once(name, function, adapter.as_inputs([one.data for one in inputs]))
            except (ShapesError, InputTypeError) as problem:
                other = other or problem
        raise (isinstance(error, ForeignError) and other or error) from None


def _call_once(name, function, inputs):
    """Run the forward pass; return the inputs, and `size_error`. An exception here does not come from backward."""
    try:
        target = target_of(function, inputs)
        target.value()
        return inputs, size_error(target)
    except (ForeignError, DifferentiationError):
        raise
    except GradcheckError:
        return inputs, ""                                           # largest_error will report it
    except (Exception, SystemExit) as error:
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        raise ShapesError(f"{name} raised {type(error).__name__}: {error}{raised_in(error)}, for inputs of the shapes "
                          f"{shapes}; give other shapes") from error
