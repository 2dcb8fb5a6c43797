"""The receptive field of each Tensor of a forward pass: the pixels of the model's input that one pixel of it sees."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..tensor import Tensor
from .module import Window

Pair = tuple[int | Fraction, int | Fraction]


@dataclass(frozen=True)
class Field:
    """The receptive field after some layers, in pixels of the model's input, each (down, across).

    After a layer that enlarges the image the numbers may be fractions. If a pool or a stride later takes together what
    came from one pixel, the true field may be smaller: the places of the windows are not counted.

    Attributes
    ----------
    span : pair of int or Fraction, or None
        From the first pixel to the last. None stands for the whole image.
    jump : pair of int or Fraction
        The distance of the fields of neighbouring pixels.
    """

    span: Pair | None = (1, 1)
    jump: Pair = (1, 1)

    @property
    def size(self) -> int | tuple[int, int] | None:
        """The field of the pixel that sees most: the span, rounded up; one number if it is the same both ways."""
        if self.span is None:
            return None
        rows, columns = map(math.ceil, self.span)
        return rows if rows == columns else (rows, columns)

    def through(self, window: Window | None) -> Field:
        """The field after one more layer: span + (window - 1) jump, and jump * stride.

        >>> Field().through(Window((3, 3), (2, 2))).through(Window((5, 5), (1, 1)))
        Field(span=(11, 11), jump=(2, 2))
        """
        if window is None or self.span is None:
            return Field(None, self.jump)
        return Field(_each(lambda r, w, j: r + (w - 1) * j, self.span, window.span, self.jump),
                     _each(lambda j, s: j * s, self.jump, window.stride))

    @staticmethod
    def joined(fields: Iterable[Field]) -> Field:
        """The field of a sum of maps: each way the largest span. The fields are taken to have the same centre.

        >>> Field.joined([Field((3, 5), (2, 2)), Field((4, 1), (2, 2))])
        Field(span=(4, 5), jump=(2, 2))
        """
        one, *rest = fields
        for other in rest:
            span = None if one.span is None or other.span is None else _each(max, one.span, other.span)
            one = Field(span, _each(max, one.jump, other.jump))
        return one


class Fields:
    """The fields of the Tensors of one forward pass. The tape tells from which Tensors another one was computed.

    An operation between two layers, such as the sum of a residual block, counts as one pixel.
    """

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self._known: dict[int, Field] = {}
        self._kept: list[Any] = []                      # alive, so that no other object gets their id
        for tensor in inputs:
            self.set(tensor, Field())

    def set(self, tensor: Any, field: Field) -> None:
        """The field of the output of a layer is known."""
        for thing in (tensor, getattr(tensor, "_node", None)):
            if thing is not None:
                self._known[id(thing)] = field
                self._kept.append(thing)

    def of(self, tensors: Iterable[Any]) -> Field | None:
        """The joined field of some Tensors. None if they were not computed from Tensors whose fields are known."""
        stack, seen, found = list(tensors), set(), []
        while stack:
            thing = stack.pop()
            if thing is None or id(thing) in seen:
                continue
            seen.add(id(thing))
            if id(thing) in self._known:
                found.append(self._known[id(thing)])
            else:
                stack += [getattr(thing, "_node", None), *getattr(thing, "parents", ())]
        return Field.joined(found) if found else None


def _each(function: Any, *pairs: Pair) -> Pair:
    """The function of the first numbers of each pair, and of the second ones."""
    down, across = (function(*numbers) for numbers in zip(*pairs, strict=True))
    return down, across
