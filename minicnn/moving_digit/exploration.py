"""The numbers of the page, computed by the engine, and the proof that the page may shift maps instead of storing all.

The digit stands on a canvas of 38 x 38 pixels, at 11 x 11 places. Each canvas is a window of one sheet of 48 x 48
pixels with the digit in the middle: if the digit lies at (dy, dx) on the canvas, the window begins at
(10 - dy, 10 - dx) on the sheet. If a layer is equivariant, its map of the canvas is the same window of its map of the
sheet. These maps are compared for every layer, channel and place, float by float. Then the page stores:

- all convolutions but the last: the map of the sheet, for some channels. The page cuts out the window.
- the last convolution, conv4 in the LeNet: the map of every canvas, because the page compares maps that were computed
  separately.
- max-pool and class scores: for every place, because they are not equivariant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..data import normalize
from ..data.placement import place, placements
from ..equivariance.signals import dirac
from ..errors import InputError, StateError
from ..nn import Module
from ..progress import SILENT, Progress
from ..tensor import Tensor
from .canvas import CANVAS, DIGIT
from .chain import Chain, chain_of
from .network import layers_of
from .pictures import Pictures

ROOM = CANVAS - DIGIT                   # how far a digit can move down and to the right: 10 pixels
SHEET = CANVAS + ROOM
CENTRE = ROOM // 2                      # the middle place; the classified window of 28 x 28 pixels begins here too
SHOWN = 6                               # the most channels of a layer that are shown
DIRAC = DIGIT // 2                      # the place of the impulse in the 28 x 28 pixels that are moved
REMEDY = 'make the model with algorithm="direct"'


@dataclass(frozen=True, eq=False)
class Exploration:
    """The contents of a page.

    Attributes
    ----------
    labels, indices : list of int
        The class of each of the D digits, and its number among the validation images.
    reach : list of int
        A pixel of the map of each convolution sees so many pixels of the canvas, each way.
    channels : list of list of int
        The channels of each convolution that are shown.
    counts : list of int
        The number of channels of each convolution.
    scales : list of list of float
        For each digit and layer the value that is stored as 255; 0 is stored as 0. The pool has the scale of conv4.
    arrays : dict of ndarray
        "images" uint8 (D, 28, 28), of colour (D, 28, 28, 3); "conv1", "conv2", "conv3" uint8 (D, 6, n, n),
        of the sheet; "conv4" uint8 (D, 121, 5, 22, 22) and "pool" uint8 (D, 121, 5, 11, 11), of each canvas;
        "logits" float32 (D, 121, classes), of the 28 x 28 window in the middle of each canvas; "impulse1" to "impulse4"
        float32 (channels, r, r), r = 5, 9, 13, 17. Place 11 dy + dx has the digit's upper left corner at (dy, dx).
        "weights" float32 (n,), see `layers`; "reference" float32: what the page must find itself for the first digit in
        the middle of the canvas. These are the maps of conv1 to conv4 with all channels, the pool, and the logits.
    compared : int
        The number of pairs of floats that were compared and are equal. They prove that the maps may be shifted.
    parameters : int
        Of the network.
    layers : list of dict
        The network, from which the page computes other pictures itself. `network.layers_of` describes it.
    """

    labels: list[int]
    indices: list[int]
    reach: list[int]
    channels: list[list[int]]
    counts: list[int]
    scales: list[list[float]]
    arrays: dict[str, np.ndarray]
    compared: int
    parameters: int
    layers: list[dict[str, Any]]


def explore(model: Module, images: np.ndarray, labels: Sequence[int], indices: Sequence[int],
            progress: Progress = SILENT, own: Pictures | None = None) -> Exploration:
    """Compute the contents of the page for some digits.

    Parameters
    ----------
    model : Module
        A LeNet with a max-pool, or another network of the form that `chain.FORM` names. The algorithm of its
        convolutions must be equivariant to the last bit: "direct".
    images : ndarray of uint8, shape (D, 28, 28) or (D, 28, 28, 3)
    labels, indices : sequence of int, of length D
        The classes of the digits, and their numbers among the validation images.
    progress : Progress
        Is updated after each digit.
    own : Pictures, optional
        These pictures, if they are others than MNIST's digits: their rules and their names of classes count.

    Returns
    -------
    Exploration

    Raises
    ------
    InputError
        The images have another shape or dtype, weights or maps are not finite, or the network has another form.
    StateError
        The map of a moved digit is not the moved map, because the algorithm rounds differently at different places.

    Examples
    --------
    >>> from minicnn.models import lenet
    >>> image = np.zeros((1, 28, 28), np.uint8)
    >>> found = explore(lenet(pretrained=True, algorithm="direct"), image, [0], [0])
    >>> found.arrays["conv4"].shape, found.arrays["logits"].shape, found.compared > 0
    ((1, 121, 5, 22, 22), (1, 121, 10), True)
    """
    images = np.asarray(images)
    chain = chain_of(model, own.rules.channels if own else 1)
    shape = (len(labels), DIGIT, DIGIT) + (3,) * (chain.in_channels == 3)
    if images.shape != shape or images.dtype != np.uint8 or not len(images):
        raise InputError(f"explore: images {images.dtype} {images.shape} for {len(labels)} labels: give one uint8 "
                         f"image of 28 x 28 pixels{' in colour' * (len(shape) == 4)} for each label, and at least one")
    if not all(np.isfinite(parameter.data).all() for parameter in model.parameters()):
        raise InputError("explore: some of the weights are not finite (inf or nan): take other weights")
    with no_grad():
        progress.update(0, len(images) + 1, "impulse responses")
        impulses, compared = _impulses(chain)
        digits: list[_Maps] = []
        for image, label, index in zip(images, labels, indices, strict=True):
            name = f"digit {label}" if own is None else f"picture of {own.names[len(digits)]}"
            progress.update(len(digits) + 1, len(images) + 1, name)
            digits.append(_Maps.of(chain, image, f"{name} (validation image {index})", own and own.rules))
        progress.update(len(images) + 1, len(images) + 1)
    channels = [_strongest([digit.sheet[layer] for digit in digits]) for layer in range(len(impulses))]
    layers, weights = layers_of(chain.modules())
    arrays = {"logits": np.stack([digit.logits for digit in digits]), "weights": weights,
              "reference": digits[0].reference}
    arrays |= {f"impulse{layer + 1}": h[channels[layer]] for layer, h in enumerate(impulses)}
    arrays["images"], scales, stored = images, [], []
    for digit in digits:
        shown = [sheet[chosen] for sheet, chosen in zip(digit.sheet, channels, strict=True)]
        scales.append([float(maps.max()) or 1.0 for maps in shown])
        stored.append([quantise(maps, scale) for maps, scale in zip(
            [*shown[:-1], digit.last[:, channels[-1]], digit.pool[:, channels[-1]]], [*scales[-1], scales[-1][-1]],
            strict=True)])
    for name, parts in zip((*chain.names, "pool"), zip(*stored, strict=True), strict=True):
        arrays[name] = np.stack(parts)
    return Exploration(list(map(int, labels)), list(map(int, indices)), list(map(int, chain.reach)), channels,
                       [len(h) for h in impulses], scales, arrays, compared + sum(digit.compared for digit in digits),
                       sum(parameter.size for parameter in model.parameters()), layers)


def quantise(values: np.ndarray, scale: float) -> np.ndarray:
    """Values from 0 to `scale` as uint8 from 0 to 255, rounded. The order is kept: the maximum stays the maximum.

    >>> quantise(np.array([0.0, 1.0, 2.0]), 2.0).tolist()
    [0, 128, 255]
    """
    return np.rint(np.clip(values / np.float32(scale), 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Maps:
    """The float maps of one digit: of its sheet, by layer, and of all canvases, for the layers that need them."""

    sheet: list[np.ndarray]  # (20, 44, 44), (40, 40, 40), (40, 36, 36), (5, 32, 32)
    last: np.ndarray         # of the last convolution: (121, 5, 22, 22)
    pool: np.ndarray         # (121, 5, 11, 11)
    logits: np.ndarray       # (121, classes)
    reference: np.ndarray    # of the canvas with the digit in the middle: all numbers, layer by layer
    compared: int

    @classmethod
    def of(cls, chain: Chain, image, name, rules):
        places = placements(DIGIT, CANVAS)
        canvases = normalize(place(np.repeat(image[None], len(places), 0), CANVAS, places), rules)  # (121, C, 38, 38)
        sheet = [maps[0] for maps in _responses(chain, normalize(place(image[None], SHEET, (ROOM, ROOM)), rules))]
        responses = _responses(chain, canvases)
        for layer, of_canvases, of_sheet in zip(chain.names, responses, sheet, strict=True):
            for (dy, dx), found in zip(places, of_canvases, strict=True):
                top, left, size = ROOM - dy, ROOM - dx, found.shape[-1]
                if not np.array_equal(found, of_sheet[:, top:top + size, left:left + size]):
                    raise StateError(f"explore: {layer} of {name} at ({dy}, {dx}) is not the shifted map of the digit "
                                     f"elsewhere: the convolution's algorithm is not exactly equivariant; {REMEDY}")
        window = slice(CENTRE, CENTRE + DIGIT)
        logits = _finite(chain(Tensor(np.ascontiguousarray(canvases[:, :, window, window]))).data, "the linear layer")
        pool, middle = chain.pool(Tensor(responses[-1])).data, len(places) // 2
        reference = np.concatenate([maps[middle].ravel() for maps in (*responses, pool, logits)])
        return cls(sheet, responses[-1], pool, logits, reference, sum(maps.size for maps in responses))


def _responses(chain, x):
    """The map of each convolution after its ReLU."""
    return [_finite(maps.data, layer) for layer, maps in chain.maps(Tensor(x))]


def _linear_responses(chain, x):
    """The map of each convolution, one after another, without biases and ReLUs."""
    x = Tensor(x)
    for layer, conv in zip(chain.names, chain.convolutions, strict=True):
        x = F.conv2d(x, conv.weight, algorithm=conv.algorithm)
        yield _finite(x.data, layer)


def _finite(maps, name):
    if not np.isfinite(maps).all():
        raise InputError(f"explore: the map of {name} is not finite (inf or nan): the weights are too large; take "
                         "other weights")
    return maps


def _impulses(chain):
    """h of conv1, conv2 after conv1, ..., (C, r, r) each, without biases and ReLUs; and how many floats were compared.

    An impulse in the middle of enough pixels (33 x 33 for the LeNet) meets every tap. It must be the weight of conv1,
    turned round, and the response to the impulse elsewhere must be h elsewhere. In colour the impulse is white: red,
    green and blue are 1. The weight of each of them is compared too.
    """
    middle, found, colours = chain.reach[-1] - 1, [], chain.in_channels
    single = dirac((2 * middle + 1,) * 2, (middle, middle), dtype=np.float32)
    x = np.repeat(single, colours, 1)
    for reach, maps in zip(chain.reach, _linear_responses(chain, x), strict=True):
        part = slice(middle - reach + 1, middle + 1)
        found.append(maps[0, :, part, part].copy())
    part = slice(middle - chain.reach[0] + 1, middle + 1)
    alone = [next(_linear_responses(chain, np.where(np.arange(colours)[:, None, None] == c, single, np.float32(0))))
             for c in range(colours)]
    if not all(np.array_equal(one[0, :, part, part], chain.convolutions[0].weight.data[:, c, ::-1, ::-1])
               for c, one in enumerate(alone)):
        raise StateError("explore: the response of conv1 to an impulse is not its weight turned by 180 degrees: the "
                         f"algorithm rounds; {REMEDY}")
    places, compared = placements(DIGIT, CANVAS), 0
    canvases = np.concatenate([dirac((CANVAS, CANVAS), at, dtype=np.float32) for at in places + DIRAC])
    canvases = np.repeat(canvases, colours, 1)
    for h, maps in zip(found, _linear_responses(chain, canvases), strict=True):
        reach, size = h.shape[-1], maps.shape[-1]
        for (y, x), response in zip(places + DIRAC, maps, strict=True):
            room = np.zeros((len(h), CANVAS + reach, CANVAS + reach), np.float32)   # h from (y - reach + 1) to y, cut
            room[:, y:y + reach, x:x + reach] = h
            if not np.array_equal(response, room[:, reach - 1:reach - 1 + size, reach - 1:reach - 1 + size]):
                raise StateError(f"explore: the response to an impulse at ({y}, {x}) is not the shifted one; {REMEDY}")
        compared += maps.size
    return found, compared


def _strongest(maps, most=SHOWN):
    """The `most` channels with the largest energy, sorted by number.

    The energy is the sum of squared differences from the background, over the maps of all digits.
    """
    energy = sum(np.square(one - one[:, :1, :1], dtype=np.float64).sum((1, 2)) for one in maps)
    return sorted(np.argsort(-energy, kind="stable")[:most].tolist())
