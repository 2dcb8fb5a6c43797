"""Whether several calls of a Module were the same graph. What differs between them was decided by Python."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ... import arithmetic
from .trace import Ref, Step, Trace

SHAPES = {arithmetic.reshape: "shape", arithmetic.broadcast_to: "shape"}    # arguments that may follow the batch


class DependsOnBatch(Exception):
    """Two calls differ. The text names the layer and what differs."""


def compare(first: Trace, other: Trace) -> None:
    """Raise DependsOnBatch if two traces differ in anything but the numbers of the results.

    Shapes that an operation is asked for may differ: `reshape(len(x), -1)` holds for every batch.
    """
    if read := [*first.read, *other.read]:
        raise DependsOnBatch(f"Python gets numbers by {described(read[0])}")
    for one, two in itertools.zip_longest(first.steps, other.steps):
        _compare_steps(one, two)
    if list(first.outputs) != list(other.outputs):
        raise DependsOnBatch(f"the outputs {', '.join(first.outputs)} of one call, {', '.join(other.outputs)} of "
                             "another")
    for name in first.outputs:
        if not _same(first.outputs[name], other.outputs[name]):
            raise DependsOnBatch(f"the output {name!r}, which Python code computes outside of Tensors")


def _compare_steps(one: Step | None, two: Step | None) -> None:
    if one is None or two is None or (one.operation, one.name, one.layer) != (two.operation, two.name, two.layer):
        found = " and ".join(described(step) for step in (one, two) if step is not None)
        raise DependsOnBatch(f"which operations run: {found}, each in one call only")
    for name, value in one.arguments.items():
        follows = one.operation is not None and SHAPES.get(one.operation) == name
        if not follows and not _same(value, two.arguments.get(name)):
            raise DependsOnBatch(f"the argument {name!r} of {described(one)}")


def described(step: Step) -> str:
    """The operation and its layer: "'relu' in the layer 'act' (in my.py, line 3)"."""
    return f"{step.name!r}{f' in the layer {step.layer!r}' if step.layer else ''}{step.place}"


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        return (type(one) is type(two) and one.dtype == two.dtype and one.shape == two.shape
                and one.tobytes() == two.tobytes())
    if isinstance(one, (tuple, list)) and not isinstance(one, Ref):
        return type(one) is type(two) and len(one) == len(two) and all(map(_same, one, two))
    return bool(one == two) or (one != one and two != two)
