"""What the file of an adapter must have: mypy checks each file against `Adapter`, those of gradients against another.

A file without a hook of its own takes the one from here, as in `layout = no_layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .steps import Layer


class Adapter(Protocol):
    """A file that makes operators of one library functions of arrays.

    Attributes
    ----------
    BY_NAMES : bool
        A function that names objects of the library gets arrays of the library. The file is then named as the library,
        and counts only after somebody has imported the library.
    OWN_ONLY : bool
        Only an object of the library itself is called so, by no other way, and not a function that is merely tried.
    """

    __name__: str
    BY_NAMES: bool
    OWN_ONLY: bool

    def owns(self, value: Any, /) -> bool:
        """Whether an object belongs to the library by its own type."""

    def says(self, op: Any, /) -> str:
        """How an operator is called, in words."""

    def layout(self, op: Any, /) -> str | None:
        """The order of the axes of an operator's images, "nchw" or "nhwc"; None: it does not say it."""

    def image_shape(self, op: Any, /) -> tuple[int | None, int | None, int | None]:
        """(C, H, W) of the images that an operator takes; None for an axis of any size."""

    def narrow_dtype(self, op: Any, /) -> str:
        """The dtype of an operator that computes with fewer bits than float32, of which a copy is judged; else ""."""

    def as_function(self, op: Any, dtype: str, /) -> Callable:
        """An operator as a function of an array of NumPy with the dtype "float32" or "float64"."""

    def is_array(self, value: Any, /) -> bool:
        """Whether a value is an array of the library."""

    def to_array(self, value: Any, /) -> Any:
        """An array of the library as one of NumPy; another value as it is."""

    def snapshots(self, objects: list[Any], /) -> list[Callable[[], None]]:
        """Functions that put back what calls of operators which use these objects could change."""

    def hint(self, error: BaseException, /) -> str:
        """What an exception of the library means here, and what to do; "" if nothing is known."""

    def is_module(self, value: Any, /) -> bool:
        """Whether `layer_operators` takes an object."""

    def layer_operators(self, module: Any, dtype: str, shape: tuple[int, ...], channels_last: bool, /) -> list[Layer]:
        """The steps of a network for images of that shape (C, H, W)."""


class Differentiator(Protocol):
    """A file that differentiates functions of one library.

    Attributes
    ----------
    NAME : str
        The module whose import makes the file count.
    LIBRARIES : frozenset of str
        The libraries whose functions it differentiates.
    SAYS : str
        How a function is called, in words.
    """

    NAME: str
    LIBRARIES: frozenset[str]
    SAYS: str

    @property
    def Differentiated(self) -> Callable[[Any, Sequence[Any], Sequence[int], str], Any]:        # noqa: N802
        """(function, inputs, numbers of the inputs that are checked, dtype) -> the function and its backward."""

    def is_array(self, value: Any, /) -> bool:
        """Whether a value is an array of the library."""

    def as_inputs(self, arrays: Sequence[np.ndarray], /) -> list[Any]:
        """Arrays of NumPy as inputs of the library that get gradients."""

    def is_checked(self, value: Any, /) -> bool:
        """Whether an input gets a gradient."""

    def takes_class(self, value: type, /) -> bool:
        """Whether a class is a function that can be differentiated."""

    def signature(self, func: Any, /) -> Any:
        """The signature of a function: its inspect.Signature."""

    def why_random(self, func: Any, /) -> str:
        """Why a function may return other numbers in each call; "" if nothing is known."""


def no_layout(op: Any) -> str | None:
    """None: the library has no order of axes."""
    return None


def no_image_shape(op: Any) -> tuple[int | None, int | None, int | None]:
    """None for each axis."""
    return None, None, None


def no_narrow_dtype(op: Any) -> str:
    """The empty text: the operator itself is judged."""
    return ""


def no_array(value: Any) -> bool:
    """False: the library has arrays of NumPy, or those of another library that has an adapter."""
    return False


def same(value: Any) -> Any:
    """The value itself."""
    return value


def no_snapshots(objects: list[Any]) -> list[Callable[[], None]]:
    """Nothing: calls change nothing."""
    return []


def no_hint(error: BaseException) -> str:
    """The empty text: nothing is known."""
    return ""


def no_module(value: Any) -> bool:
    """False: the library has no networks whose layers can be seen."""
    return False


def no_layers(module: Any, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """Nothing: see `no_module`."""
    return []
