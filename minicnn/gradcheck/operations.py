"""The catalogue: every operation of the engine, with inputs for `gradcheck`. `run_catalogue` checks all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from .. import functional as F
from ..checks import generator
from ..errors import raised_in
from ..progress import SILENT, Progress
from .cases import TABLES, Operation, convolutions
from .check import called_by, largest_error
from .foreign import ForeignError
from .inputs import safe_inputs
from .target import GradcheckError, UncheckableError


@dataclass(frozen=True)
class OperationResult:
    """The result of checking an `Operation`.

    Attributes
    ----------
    name : str
    inputs : tuple
        The shapes of the inputs.
    max_error : float or None
        The result of `largest_error`; None if the check failed.
    passed : bool
    reason : str
        Why the check failed; "" if it passed.
    seconds : float
    checked : bool
        Whether the gradient could be checked. If not, `passed` is False.
    called : str
        How a function of another library was called and differentiated; "" for one of minicnn.
    """

    name: str
    inputs: tuple
    max_error: float | None
    passed: bool
    reason: str
    seconds: float
    checked: bool = True
    called: str = ""


def catalogue(seed: int = 0) -> Iterator[Operation]:
    """Yield every operation of the engine; conv2d once for each algorithm and each geometry that it supports.

    >>> sorted({operation.kind for operation in catalogue()} & {"add", "conv2d", "relu"})
    ['add', 'conv2d', 'relu']
    """
    rng = generator("rng", None, seed)
    for table in TABLES:
        for kind, variant, func, shapes, options in table(rng):
            yield Operation(kind, variant, func, safe_inputs(*shapes, rng=rng), options)
    yield from convolutions(rng)


def run_catalogue(progress: Progress = SILENT, seed: int = 0) -> list[OperationResult]:
    """Check every operation of the catalogue.

    A public operation of `minicnn.functional` that the catalogue does not contain is listed as a failure.
    """
    operations, results = list(catalogue(seed)), []
    for number, operation in enumerate(operations):
        progress.update(number, len(operations), operation.name)
        results.append(check_operation(operation))
    progress.update(len(operations), len(operations))
    for name in sorted(set(F.__all__) - {operation.kind for operation in operations}):
        reason = "the catalogue does not contain this operation: add it to minicnn/gradcheck/cases/"
        results.append(OperationResult(name, (), None, False, reason, 0.0))
    return results


def check_operation(operation: Operation, progress: Progress = SILENT) -> OperationResult:
    """Check one operation. An exception that it raises becomes the reason of the failure, but not ForeignError.
    """
    start, error, reason, checked = time.perf_counter(), None, "", True
    try:
        error = largest_error(operation.func, operation.inputs, **operation.options, progress=progress)
    except ForeignError:
        raise
    except UncheckableError as wrong:
        reason, checked = f"cannot be checked: {wrong.fact}", False
    except GradcheckError as wrong:
        reason = str(wrong).removeprefix("gradcheck: ")
    except (Exception, SystemExit) as wrong:            # one broken operation must not hide the others
        reason = f"it raised {type(wrong).__name__}: {wrong}{raised_in(wrong)}"
    shapes = tuple(tuple(x.shape) for x in operation.inputs)
    seconds = time.perf_counter() - start
    return OperationResult(operation.name, shapes, error, error is not None, reason, seconds, checked,
                           called_by(operation.func, operation.inputs))
