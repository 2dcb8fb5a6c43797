"""What a network answers to one picture, and which pixels count for the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import no_grad
from ..checks import integer
from ..errors import InputError, InputTypeError
from ..nn import Module
from ..nn.calls import convolutions, evaluating, recorded_calls
from ..nn.unchanged import looking
from ..tensor import Tensor
from .evaluation import EVALUATED, classes_of
from .start import untouched

PATCH, STEPS = 4, 16            # the hidden square has a quarter of the shorter side; so many places each way, or more


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: rows from `top`, columns from `left`."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class WinningUnit:
    """The unit of the last map with more than one pixel that adds most to the score of the class.

    Attributes
    ----------
    layer : str
        The layer that makes the map.
    channel, row, column : int
        The place of the unit in the map (C, H, W).
    value, contribution : float
        Its value, and this value times the derivative of the score by it. If all that follows is linear (or a maximum,
        or a mean), the contributions of all units and the bias add up to the score.
    box : Box
        The receptive field of the unit: all pixels on which it depends.
    """

    layer: str
    channel: int
    row: int
    column: int
    value: float
    contribution: float
    box: Box


@dataclass(frozen=True)
class Prediction:
    """The answer of a classifier to one picture.

    Attributes
    ----------
    scores : ndarray, shape (classes,)
        The logits.
    probabilities : ndarray, shape (classes,)
        Their softmax.
    label : int
        The class with the highest score; -1 if a score is NaN, or infinite so that there is no probability.
    unit : WinningUnit or None
        None if the network has no map with more than one pixel, or gives no answer.
    occlusion : ndarray, shape (H, W)
        For each pixel: how much the probability of the class falls if a square of the picture is hidden, as a mean over
        the squares that hide this pixel. NaN if there is no answer.
    square : Box
        The square that lowers the probability most.
    fall : float
        By how much it does.
    """

    scores: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    label: int
    unit: WinningUnit | None
    occlusion: np.ndarray = field(repr=False)
    square: Box
    fall: float


@looking
def predict(model: Module, image: np.ndarray, label: int | None = None) -> Prediction:
    """Classify one picture, and find the pixels that count. The model is in evaluation mode, and is not changed.

    The winning unit is found by the gradient of the score. Its receptive field is found by trying: a row or column
    belongs to it if NaN in that row or column (and in all beyond) reaches the unit. Occlusion: a square of a quarter of
    the shorter side is set to 0, which is the mean of normalised pixels, at 16 places each way, or more where the
    picture is long.

    Parameters
    ----------
    model : Module
        (N, C, H, W) -> logits (N, classes).
    image : ndarray, float32 or float64, shape (C, H, W)
        Normalised as the images of the training.
    label : int, optional
        The class whose score is explained. By default the predicted one.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        The image has another shape, or the model does not return logits.
    InputTypeError
        The model is not a Module.

    References
    ----------
    Contributions: Zhou et al. 2016 (arXiv:1512.04150), section 2. Occlusion: Zeiler and Fergus 2014
    (arXiv:1311.2901), section 4.2.

    Examples
    --------
    >>> from minicnn.data import load, normalize
    >>> from minicnn.models import lenet
    >>> found = predict(lenet(pretrained=True), normalize(load("mnist5k").val_images[:1])[0])
    >>> found.label, found.unit.layer, found.unit.box
    (0, 'pool', Box(top=6, left=0, height=18, width=18))
    """
    if not isinstance(model, Module):
        raise InputTypeError(f"predict: the model must be a minicnn.nn.Module, not a {type(model).__name__}")
    image = np.asarray(image)
    if image.ndim != 3 or image.dtype not in (np.float32, np.float64) or 0 in image.shape:
        raise InputError(f"predict: an image of floats of shape (C, H, W) is needed, not {image.dtype} {image.shape}: "
                         "normalise it first")
    with evaluating(model), np.errstate(all="ignore"):
        x = Tensor(image[None], requires_grad=True)
        with recorded_calls(model) as calls:
            out = model(x)
        classes = classes_of(model, out, 1)
        scores, probabilities = out.data[0], np.exp(F.log_softmax(out).data[0])
        answered = not np.isnan(probabilities).any()
        found = int(scores.argmax()) if answered else -1
        chosen = found if label is None else integer("predict: label", label, 0)
        if chosen >= classes:
            raise InputError(f"predict: there is no class {chosen}: the model has {classes}, 0 to {classes - 1}")
        unit = _winning_unit(model, image, calls, out, chosen) if answered else None
        squares = _squares(image.shape[1:])
        falls = _falls(model, image, squares, chosen, probabilities) if answered else np.full(len(squares), np.nan)
    most = int(falls.argmax())
    return Prediction(scores, probabilities, found, unit, _mean_by_pixel(image.shape[1:], squares, falls),
                      squares[most], float(falls[most]))


def _winning_unit(model, image, calls, out, label):
    maps = [(i, call) for i, call in enumerate(calls) if isinstance(call.output, Tensor) and call.output.ndim == 4
            and len(call.output) == 1 and call.output.shape[2] * call.output.shape[3] > 1 and call.output.requires_grad]
    if not maps or not out.requires_grad:
        return None
    for _, call in maps:
        call.output.retain_grad()
    out.backward((np.arange(out.shape[1]) == label).astype(out.dtype)[None])
    used = [(i, call) for i, call in maps if call.output.grad is not None]      # the score depends on it
    if not used:
        return None
    index, call = used[-1]
    slopes = call.output.grad
    contributions = np.where(slopes[0] == 0, 0, call.output.data[0] * slopes[0])
    place = tuple(int(i) for i in np.unravel_index(contributions.argmax(), contributions.shape))
    return WinningUnit(call.name, *place, float(call.output.data[0][place]), float(contributions[place]),
                       _receptive_field(model, image, index, place))


def _receptive_field(model, image, index, place):
    """The pixels on which one unit depends. The output of the call of that index is the map."""
    height, width = image.shape[1:]
    with untouched(model), no_grad():
        for _, layer in convolutions(model):
            layer.algorithm = "im2col"                  # others mix pixels: winograd within a tile, fft all of them

        def reached(regions):
            """For each region of rows and columns, whether NaN there reaches the unit."""
            images = np.repeat(image[None], len(regions), axis=0)
            for one, (rows, columns) in zip(images, regions, strict=True):
                one[:, rows, columns] = np.nan
            with recorded_calls(model) as calls:
                model(Tensor(images))
            return np.isnan(calls[index].output.data[(slice(None), *place)])

        everything = slice(None)
        top = _first(height, lambda n: reached([(slice(None, n + 1), everything)])[0])
        bottom = _first(height, lambda n: reached([(slice(height - 1 - n, None), everything)])[0])
        left = _first(width, lambda n: reached([(everything, slice(None, n + 1))])[0])
        right = _first(width, lambda n: reached([(everything, slice(width - 1 - n, None))])[0])
    return Box(top, left, height - bottom - top, width - right - left)


def _first(count, reaches):
    """The smallest n below `count` for which `reaches(n)`; from there on it holds for every n. 0 if there is none."""
    low, high = 0, count - 1
    if not reaches(high):
        return 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle + 1, high)
    return low


def _squares(size):
    """The squares that are hidden. Together they cover the picture."""
    side = max(1, min(size) // PATCH)
    steps = [min(max(STEPS, -(-n // side)), n - side + 1) for n in size]
    starts = [np.linspace(0, n - side, count).round().astype(int) for n, count in zip(size, steps, strict=True)]
    return [Box(int(top), int(left), side, side) for top in starts[0] for left in starts[1]]


def _falls(model: Module, image: np.ndarray, squares: list[Box], label: int, before: Any) -> np.ndarray:
    """How much the probability of the class falls, for each hidden square."""
    falls = []
    with no_grad():
        for start in range(0, len(squares), EVALUATED):
            part = squares[start:start + EVALUATED]
            images = np.repeat(image[None], len(part), axis=0)
            for one, box in zip(images, part, strict=True):
                one[:, box.top:box.top + box.height, box.left:box.left + box.width] = 0
            falls.append(before[label] - np.exp(F.log_softmax(model(Tensor(images))).data[:, label]))
    return np.concatenate(falls)


def _mean_by_pixel(size, squares, values):
    """For each pixel the mean of the values of the squares that hide it."""
    total, count = np.zeros(size), np.zeros(size)
    for box, value in zip(squares, values, strict=True):
        part = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
        total[part] += value
        count[part] += 1
    return total / count
