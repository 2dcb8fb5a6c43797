"""Passes through a network that are shared by its layers: a batch of images runs once, and all layers get its outputs.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...adapters.steps import Layer

MEMORY = 1 << 29                # bytes of the outputs that are kept
HELD = 160                      # images whose outputs a stage of the verifier needs at once


class Passes:
    """The outputs of some steps of a walk, kept for the batches that were asked for last.

    The layers of a network are tried on the same batches. Without this each layer would run the network again.

    Parameters
    ----------
    layers : sequence of Layer
        Steps of one walk.
    """

    def __init__(self, layers: Sequence[Layer]):
        self._parts = [layer.up_to or layer.rest for layer in layers]
        self._kept: OrderedDict[Any, dict[int, np.ndarray]] = OrderedDict()
        self._bytes = 0
        self._salt = 0
        self.count = 0                                  # passes so far

    def __len__(self):
        return len(self._parts)

    def operator(self, number: int) -> Callable:
        """The network up to the layer of that number, as a function of images. Other outputs are images of one pixel.
        """
        part = self._parts[number]
        whole = lambda images: self._outputs(images)[part.index]
        return whole if len(part.shape) == 3 else lambda images: whole(images).reshape(len(images), -1, 1, 1)

    @contextlib.contextmanager
    def second(self) -> Iterator[None]:
        """Context manager: a batch that was asked for outside of it runs again, for its result may depend on chance."""
        self._salt = 1
        try:
            yield
        finally:
            self._salt = 0

    def _outputs(self, images):
        key = self._salt, images.shape, images.tobytes()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self.count += 1
        found = self._parts[0].walk.outputs(images, [part.index for part in self._parts])
        self._kept[key] = found
        self._bytes += _bytes_of(found)
        while self._bytes > MEMORY and len(self._kept) > 1:
            self._bytes -= _bytes_of(self._kept.popitem(last=False)[1])
        return found


def _bytes_of(found):
    return sum(array.nbytes for array in found.values())


def groups(layers: Sequence[Layer], itemsize: int) -> list[list[Layer]]:
    """The layers in their order, in groups whose outputs for HELD images fit into MEMORY.

    A layer that no walk made is a group of its own.
    """
    found: list[list[Layer]] = []
    free, last = 0, None
    for layer in layers:
        part = layer.up_to or layer.rest
        walk = getattr(part, "walk", None)
        needed = HELD * itemsize * int(np.prod(part.shape)) if walk else 0
        if walk is None or walk is not last or needed > free:
            found.append([])
            free = MEMORY
        found[-1].append(layer)
        free, last = free - needed, walk
    return found


def title(name: str, kind: str) -> str:
    """The name of a layer and its class; a function has a name only.

    >>> title("2", "MaxPool2d(2)"), title("MaxPool2d", "MaxPool2d(2)")
    ('2 MaxPool2d', 'MaxPool2d')
    >>> title("block / F.pad", "F.pad(pad=(1, 1, 1, 1))")
    'block / F.pad'
    """
    kind = kind.partition("(")[0]
    return name if name.rpartition(" / ")[2] == kind else f"{name} {kind}"
