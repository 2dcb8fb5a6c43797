"""Random numbers for a part of a batch: drawn for the whole batch, so that the parts together are as one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..module import Module


class _Rows(np.random.Generator):
    """Draws `random` numbers for a whole batch, and returns the rows of a part. `now()` is (images, the part)."""

    def __init__(self, whole: np.random.Generator, now: Callable[[], tuple[int, slice]]) -> None:
        super().__init__(whole.bit_generator)     # the same state, which the whole generator also has
        self.now = now

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        images, part = self.now()
        if out is not None or not isinstance(size, tuple) or size[:1] != (part.stop - part.start,):
            return super().random(size, dtype, out)
        return super().random((images, *size[1:]), dtype)[part]


@contextlib.contextmanager
def draw_rows(model: Module, now: Callable[[], tuple[int, slice]],
              same: Callable[[Any], Any] = lambda state: state) -> Iterator[None]:
    """Context manager: the generators of the layers draw for a whole batch, of which the model sees a part.

    This holds for `Generator.random` with as many rows as the part has, such as in dropout. All else is drawn as ever.

    Parameters
    ----------
    model : Module
    now : callable
        Returns the number of images in the whole batch, and the slice of them that the model sees.
    same : callable, optional
        Gets the state of each generator, and returns the state with which all parts of the batch begin.

    Examples
    --------
    >>> from minicnn.nn import Dropout
    >>> whole, part = (Dropout(rng=np.random.default_rng(0)) for _ in range(2))
    >>> with draw_rows(part, lambda: (4, slice(2, 4))):
    ...     rows = part(np.ones((2, 3)))
    >>> np.array_equal(whole(np.ones((4, 3))).data[2:], rows.data)
    True
    """
    found = [(module, name, value) for _, module in model.named_modules() for name, value in vars(module).items()
             if isinstance(value, np.random.Generator)]
    try:
        for module, name, generator in found:
            generator.bit_generator.state = same(generator.bit_generator.state)
            setattr(module, name, _Rows(generator, now))
        yield
    finally:
        for module, name, generator in found:
            setattr(module, name, generator)
