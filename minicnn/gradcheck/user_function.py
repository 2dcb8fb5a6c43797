"""`minicnn gradcheck file.py:function`: check a function of the user's own file."""

from __future__ import annotations

import inspect
import time
import warnings

import numpy as np

from ..cli.user_code import attribute, load_file
from ..errors import InputError
from ..nn.module import Module
from .check import largest_error
from .inputs import safe_inputs
from .operations import Record
from .target import ArrayPair, GradcheckError, GradcheckWarning, TensorFunction, is_pair

DEFAULT_SHAPE = (3, 4)


def check_user_function(spec, shapes=None, seed=0, **options):
    """Check the gradient of something in a Python file.

    The name may stand for a function of Tensors, a Module (its parameters are checked too), or a pair
    (forward, backward) of functions on arrays. It gets one float64 input for each shape, drawn by `safe_inputs`. The
    shapes come from the argument; or from a dictionary `shapes` in the file, {name: [shape, ...]}; or are (3, 4) for
    each argument that has no default.

    Parameters
    ----------
    spec : str
        "path/to/file.py:name".
    shapes : sequence of tuple of int, optional
    seed : int
        Of the samples.
    **options
        As in `gradcheck`: eps, atol, rtol, fast_mode, ...

    Returns
    -------
    Record

    Raises
    ------
    ValueError
        The file or the name does not exist, the file does not run, or the function cannot be called on such inputs.

    Examples
    --------
    A file code.py that can be checked as code.py:scale and code.py:square::

        from minicnn import record

        shapes = {"scale": [(3, 4), (4,)]}

        def scale(x, factor):
            return x * factor

        square = (lambda x: x * x), (lambda grad, x: 2 * grad * x)

    >>> check_user_function("no_such_file.py:relu")
    Traceback (most recent call last):
        ...
    minicnn.InputError: no_such_file.py: there is no such file
    """
    module, name = load_file(spec)
    target = attribute(module, name, spec.rpartition(":")[0])
    if isinstance(target, type) or not (callable(target) or is_pair(target)):
        raise InputError(f"{spec} is a {type(target).__name__}: name a function of Tensors, a Module made already, or "
                         "a pair (forward, backward) of functions on arrays")
    shapes = shapes or getattr(module, "shapes", {}).get(name) or _default_shapes(target)
    shapes = [tuple(shape) for shape in shapes]
    inputs = safe_inputs(*shapes, rng=np.random.default_rng(seed))
    if is_pair(target):
        inputs = tuple(t.data for t in inputs)
    _try(spec, target, inputs)
    return _record(spec, target, inputs, shapes, {"eps": 1e-6, "atol": 1e-8, "rtol": 1e-5} | options)


def _record(spec, target, inputs, shapes, options):
    start, error, reason = time.perf_counter(), None, ""
    try:
        error = largest_error(target, inputs, **options)
    except GradcheckError as wrong:
        reason = str(wrong).removeprefix("gradcheck: ")
    except Exception as wrong:                      # forward ran, so this comes from backward
        reason = f"backward raised {type(wrong).__name__}: {wrong}"
    return Record(spec, tuple(shapes), error, error is not None, reason, time.perf_counter() - start)


def _default_shapes(target):
    function = target[0] if is_pair(target) else target.forward if isinstance(target, Module) else target
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):                 # a function written in C, which has no signature
        return [DEFAULT_SHAPE]
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    positional = [a for a in arguments if a.default is a.empty and a.kind in kinds]
    return [DEFAULT_SHAPE] * max(1, len(positional))


def _try(spec, target, inputs):
    """Call the function once, so that what it raises is told apart from what its gradient raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GradcheckWarning)       # it will come again
            subject = ArrayPair(target, inputs) if is_pair(target) else TensorFunction(target, inputs)
        with subject.borrowed():
            subject.value()
    except GradcheckError:
        pass                                                        # a finding: largest_error will report it
    except Exception as error:
        raise InputError(f"{spec} raised {type(error).__name__}: {error} (with inputs of shapes "
                         f"{', '.join(str(x.shape) for x in inputs)}; others are given by --shape, or in the file by "
                         "shapes = {name: [shape, ...]})") from error
