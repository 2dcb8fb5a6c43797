"""The steps of a network whose layers are watched in each call. The functions between two layers are seen as one step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, NamedTuple

import numpy as np

from .steps import COUNT, NO_BATCH, Enough, FunctionCall, Layer, layer_of, plain, refuse_other_steps

BETWEEN = "functions between layers"    # the name of a FunctionCall that stands for them


class Described(NamedTuple):
    """What a library says about a layer: its name in the network, its kind, its settings, and whether it is innermost:
    the library itself has made it, and it is no container."""

    name: str
    kind: str
    layer: Any
    innermost: bool


class Call(NamedTuple):
    """A step: the layer, its output for the images of a pass, and the numbers of the steps whose outputs it uses."""

    described: Described
    output: np.ndarray
    takes: Set[int]


class CallRecord:
    """The steps of one pass: calls of innermost layers, and what functions between the layers have made.

    Functions are noticed by their result: an input of a layer, or an output of a container, that no layer returned.

    Parameters
    ----------
    arrays : callable
        (any value) -> the arrays of the library in it.
    to_array : callable
        An array of the library -> one of NumPy.
    wanted : set of int, optional
        The steps whose outputs count; the pass ends after the last one.
    """

    def __init__(self, arrays: Callable[[Any], list[Any]], to_array: Callable[[Any], np.ndarray],
                 wanted: Set[int] | None = None):
        self.arrays, self.to_array, self.wanted = arrays, to_array, wanted
        self.steps: list[Call] = []
        self._inside = False
        self._known: dict[int, tuple[Any, Set[int]]] = {}       # id of an array: the array, the steps that made it
        self._count = 0                                         # images

    def called(self, described: Described, call: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call a layer, and record it."""
        if self._inside:
            return call(*args, **kwargs)
        given = self.arrays((args, kwargs))
        if not self._count:                                     # the network itself
            self._count = len(given[0]) if given else 0
            self._known = {id(one): (one, frozenset()) for one in given}
        for one in given:
            if id(one) not in self._known and one.shape[:1] == (self._count,) and "float" in str(one.dtype):
                name = f"functions before {described.name or described.kind.partition('(')[0]}"
                self._add(Described(name, name, FunctionCall(BETWEEN, {}), False), [one], [])
        self._inside = described.innermost
        try:
            out = call(*args, **kwargs)
        finally:
            self._inside = False
        made = [one for one in self.arrays(out) if described.innermost or id(one) not in self._known]
        if made:
            self._add(described, made, given)
        return out

    def _add(self, described, made, given):
        takes = frozenset().union(*(self._known[id(one)][1] for one in given if id(one) in self._known))
        number = len(self.steps)
        for one in made:
            self._known[id(one)] = one, frozenset((number,))
        wanted = self.wanted is None or number in self.wanted
        self.steps.append(Call(described, self.to_array(made[0]) if wanted else np.zeros(0), takes))
        if self.wanted and number >= max(self.wanted):
            raise Enough


class CallWalk:
    """The steps of a network. `run(images, record)` calls the network once, and each of its layers by `record.called`.
    """

    def __init__(self, run: Callable[[np.ndarray, CallRecord], Any], record: Callable[..., CallRecord], dtype: str,
                 channels_last: bool):
        self._run, self._record, self.dtype, self.channels_last = run, record, dtype, channels_last
        self._names: list[str] = []

    def layers(self, shape: tuple[int, ...]) -> list[Layer]:
        """The steps of a first pass with images of that shape (C, H, W)."""
        steps, found = self._pass(np.zeros((COUNT, *shape)), None), []
        self._names = [step.described.name for step in steps]
        for number, (described, output, takes) in enumerate(steps):
            why = "" if output.shape[:1] == (COUNT,) else NO_BATCH
            own = () if why else plain(output, self.channels_last).shape[1:]
            found.append(layer_of(self, number, own, output.ndim == 4, described[:3], self.channels_last, takes, why))
        return found

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted steps, by number. Raises AdapterError if the network took other steps."""
        wanted = set(wanted)
        steps = self._pass(images, wanted)
        refuse_other_steps([step.described.name for step in steps], self._names[:max(wanted) + 1])
        return {number: plain(steps[number].output, self.channels_last) for number in wanted}

    def _pass(self, images, wanted):
        images = np.moveaxis(images, 1, 3) if self.channels_last else images
        record = self._record(wanted)
        with contextlib.suppress(Enough):
            self._run(np.ascontiguousarray(images, self.dtype), record)
        return record.steps


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Context manager: an attribute of a class has another value."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def call_kind(kind: type, names: tuple[str, ...], settings: dict[str, Any]) -> str:
    """A layer of that class as text, with some of its settings that are no None.

    >>> call_kind(int, ("rate",), {"rate": 0.5, "other": 1})
    'int(rate=0.5)'
    """
    told = ", ".join(f"{name}={settings[name]!r}" for name in names if settings.get(name) is not None)
    return f"{kind.__name__}({told})"
