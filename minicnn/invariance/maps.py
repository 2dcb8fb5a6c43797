"""How much a classifier's answer depends on the place of the digit.

Every result names its shift model, `Shifts`: the places of the digit, and the part of the canvas that the network sees.
Nothing is sampled: the digit is put at all places, and the pairs of places with the same class are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data import normalize
from ..data.placement import Shifts
from ..errors import InputError
from ..progress import SILENT, Progress
from .functions import evaluation_mode, on_arrays

BATCH = 256                     # images that a network gets at once


@dataclass(frozen=True)
class Consistency:
    """The consistency `value`, from 0 to 1, for `images` images under the shift model `shifts`."""

    value: float
    images: int
    shifts: Shifts

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.2%} of the pairs of places get one class ({self.images} images; {self.shifts})"


def consistency(classify: Callable, images: np.ndarray, shifts: Shifts | None = None,
                progress: Progress = SILENT) -> Consistency:
    """How often a digit gets the same class at two places: P[argmax f(S1 x) = argmax f(S2 x)].

    S1 and S2 are any two of all P places, and x is any of the images. The probability is exact: with n[i, c] the number
    of places at which image i gets class c, it is the mean over i of sum over c of (n[i, c] / P)^2. The class need not
    be right: a constant classifier has consistency 1.

    Parameters
    ----------
    classify, images, shifts, progress
        As for `invariance_map`.

    References
    ----------
    Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", section 4.1. Zhang draws some of the pairs.

    Examples
    --------
    >>> upper = lambda x: np.stack([x[..., :14, :].sum((1, 2, 3)), x[..., 14:, :].sum((1, 2, 3))], 1)
    >>> dots = np.zeros((1, 28, 28), np.uint8)
    >>> dots[0, 14, 14] = 255
    >>> consistency(upper, dots, Shifts(2, 28)).value              # the lower half in 3 of 5 rows: 0.6^2 + 0.4^2
    0.52
    """
    found = invariance_map(classify, images, np.zeros(len(images), int), shifts, progress=progress)
    return Consistency(found.consistency, len(images), found.shifts)


@dataclass(frozen=True)
class InvarianceMap:
    """The result of `invariance_map` for every place. Rows are dy, columns are dx, both from -reach to reach.

    Attributes
    ----------
    shifts : Shifts
        The shift model.
    labels : ndarray of int, shape (n,)
    classes : ndarray of int, shape (size, size, n)
        The class that each image gets at each place.
    feature_distance : ndarray, shape (size, size)
        ||f(S x) - f(x)|| / ||f(x)||. x is the digit in the middle; each norm is over all images together.
    """

    shifts: Shifts
    labels: np.ndarray = field(repr=False)
    classes: np.ndarray = field(repr=False)
    feature_distance: np.ndarray = field(repr=False)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of the images that get their label, shape (size, size)."""
        return (self.classes == self.labels).mean(-1)

    @property
    def same_class(self) -> np.ndarray:
        """Share of the images that get the class that they get in the middle, shape (size, size)."""
        return (self.classes == self.classes[self.shifts.reach, self.shifts.reach]).mean(-1)

    @property
    def consistency(self) -> float:
        """See the function `consistency`."""
        classes = self.classes.reshape(-1, len(self.labels))
        counts = np.stack([(classes == c).sum(0) for c in np.unique(classes)])
        return float(((counts / len(classes)) ** 2).sum(0).mean())

    def over(self, places: np.ndarray) -> dict[str, float]:
        """The number of the places in a mask (size, size), and the mean of each quantity over these places."""
        found = {name: float(getattr(self, name)[places].mean())
                 for name in ("accuracy", "same_class", "feature_distance")}
        return {"places": int(places.sum()), **found}

    def by_distance(self) -> list[dict[str, float]]:
        """A list: `over` the places at max(|dy|, |dx|) = 0, 1, ..., reach."""
        return [self.over(self.shifts.distance == d) for d in range(self.shifts.reach + 1)]

    def by_parity(self) -> dict[str, dict[str, float]]:
        """`over` the places of `Shifts.parity`, "both even" and "otherwise", which are equally far from the middle."""
        return {name: self.over(mask) for name, mask in self.shifts.parity.items() if mask.any()}

    def as_dict(self) -> dict[str, Any]:
        """All of it as numbers and lists, for JSON."""
        maps = {name: getattr(self, name).tolist() for name in ("accuracy", "same_class", "feature_distance")}
        return {"shift_model": str(self.shifts), "reach": self.shifts.reach, "view": self.shifts.view,
                "images": len(self.labels), "consistency": self.consistency, "by_distance": self.by_distance(),
                "by_parity": self.by_parity(), **maps}


def invariance_map(classify: Callable, images: np.ndarray, labels: np.ndarray, shifts: Shifts | None = None,
                   features: Callable | None = None, progress: Progress = SILENT) -> InvarianceMap:
    """The classes that a network gives to digits at all places, and how much the features of the digits change.

    Parameters
    ----------
    classify : Module or callable
        Normalised float32 images (n, 1, view, view) -> logits (n, classes): a function of arrays or Tensors, a Module,
        or a function, module or model of another library, as in `verify_convolution`. A Module, also one of PyTorch, is
        in evaluation mode during the call.
    images : ndarray of uint8, shape (n, digit, digit)
    labels : ndarray of int, shape (n,)
    shifts : Shifts, optional
        By default all 121 placements of 28x28 digits on a 38x38 canvas.
    features : callable, optional
        The function f of the feature distance, from the same images to an array (n, ...), such as `model.features`. By
        default f is `classify`.
    progress : Progress
        Is updated after each row of places.

    Raises
    ------
    InputError
        Images and labels do not fit each other or the shift model, or `classify` does not return (n, classes).

    Examples
    --------
    >>> ink = lambda x: x.max((1, 2, 3))[:, None] * [1.0, -1.0]          # the brightest pixel: a global max-pool
    >>> found = invariance_map(ink, np.eye(28, dtype=np.uint8)[None], np.array([0]), Shifts(1))
    >>> found.accuracy.tolist(), found.consistency, float(found.feature_distance.max())
    ([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], 1.0, 0.0)
    """
    shifts, images, labels = shifts or Shifts(), np.asarray(images), np.asarray(labels)
    if not len(images) or labels.shape != (len(images),):
        raise InputError(f"invariance_map: images {images.shape} and labels {labels.shape}: one label an image is "
                         "needed, and at least one image")
    functions = [one for one in (classify, features) if one is not None]
    with evaluation_mode(*functions):
        classify, features = on_arrays(classify), None if features is None else on_arrays(features)
        logits, middle = _answers(classify, features, shifts.images(images, 0, 0))
        classes = np.empty((shifts.size, shifts.size, len(images)), np.int16)
        distance = np.empty((shifts.size, shifts.size))
        for i, dy in enumerate(shifts.steps):
            for j, dx in enumerate(shifts.steps):
                logits, moved = _answers(classify, features, shifts.images(images, dy, dx))
                classes[i, j] = logits.argmax(1)
                distance[i, j] = relative_change(moved, middle)
            progress.update(i + 1, shifts.size, f"dy = {dy:+d}: accuracy {(classes[i] == labels).mean():.1%}")
    return InvarianceMap(shifts, labels, classes, distance)


def relative_change(moved: np.ndarray, still: np.ndarray) -> float:
    """||moved - still|| / ||still|| in float64. It is 0 if both are zero, and infinite if only `still` is.

    >>> relative_change(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == 4 / 3
    True
    """
    moved, still = np.asarray(moved, np.float64), np.asarray(still, np.float64)
    unit = float(max(np.abs(moved).max(initial=0), np.abs(still).max(initial=0))) or 1.0     # squares could overflow
    moved, still = moved / unit, still / unit
    change, size = np.linalg.norm((moved - still).ravel()), np.linalg.norm(still.ravel())
    return float(change / size) if size else float("inf") if change else 0.0


def dense_parameters(height: int = 400, width: int = 400, channels: int = 3, hidden: int = 500,
                     bias: bool = False) -> int:
    """The number of weights of a fully connected layer: one for each input value and hidden unit.

    With `bias` the layer has one parameter more for each hidden unit.

    >>> dense_parameters()
    240000000
    """
    return (height * width * channels + bool(bias)) * hidden


def convolution_parameters(channels: int = 3, out_channels: int = 20, kernel: int = 5, bias: bool = False) -> int:
    """The number of weights of a convolution with kernel x kernel taps. It does not depend on the size of the image.

    >>> convolution_parameters(), convolution_parameters(bias=True)
    (1500, 1520)
    """
    return (kernel * kernel * channels + bool(bias)) * out_channels


def parameter_argument(height: int = 400, width: int = 400, channels: int = 3, hidden: int = 500,
                       out_channels: int = 20, kernel: int = 5) -> str:
    """A sentence with `dense_parameters` and `convolution_parameters`.

    >>> print(parameter_argument())
    A 400x400x3 image into 500 hidden units takes 240,000,000 weights and 500 biases; a 5x5 convolution to 20 channels takes 1,500 weights and 20 biases, together 1,520, for any image size.
    """  # noqa: E501
    dense = dense_parameters(height, width, channels, hidden)
    convolution = convolution_parameters(channels, out_channels, kernel)
    return (f"A {height}x{width}x{channels} image into {hidden} hidden units takes {dense:,} weights and "
            f"{hidden} biases; a {kernel}x{kernel} convolution to {out_channels} channels takes {convolution:,} "
            f"weights and {out_channels} biases, together {convolution + out_channels:,}, for any image size.")


def _answers(classify, features, images):
    """Logits and features of uint8 images (n, H, W), normalised and batch by batch."""
    logits, others = [], []
    for start in range(0, len(images), BATCH):
        x = normalize(images[start:start + BATCH])
        out = classify(x)
        if out.ndim != 2 or len(out) != len(x):
            raise InputError(f"invariance_map: classify returned shape {out.shape} for images {x.shape}: it must be "
                             f"({len(x)}, classes)")
        logits.append(out)
        others.append(out if features is None else features(x))
    return np.concatenate(logits), np.concatenate(others)
