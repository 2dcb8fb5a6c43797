"""How much a classifier's answer depends on where the digit is.

Every result names its shift model, `Shifts`: which places there were, and how much of them the network saw. Nothing is
sampled: all places are tried, and the pairs of places that agree are counted.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np

from ..autograd import no_grad
from ..data import normalize
from ..data.placement import Shifts, place, placements
from ..errors import InputError
from ..nn.module import Module
from ..tensor import Tensor

__all__ = [
    "Consistency", "InvarianceMap", "Shifts", "consistency", "convolution_parameters", "dense_parameters",
    "invariance_map", "parameter_argument", "place", "placements", "relative_change",
]

BATCH = 256                     # images that a network is given at once


@dataclass(frozen=True)
class Consistency:
    """What `consistency` found: `value`, from 0 to 1, for so many `images` under the shift model `shifts`."""

    value: float
    images: int
    shifts: Shifts

    def __float__(self):
        return self.value

    def __str__(self):
        return f"{self.value:.2%} of the pairs of places get one class ({self.images} images; {self.shifts})"


def consistency(classify, images, shifts=None, tell=None) -> Consistency:
    """How often a digit gets the same class at two places: P[argmax f(S1 x) = argmax f(S2 x)].

    S1 and S2 are drawn independently from all places, and x from the images. It is exact: if of P places n[i, c] give
    image i the class c, it is the mean over i of sum over c of (n[i, c] / P)^2. Whether the class is right is another
    matter: a constant is fully consistent.

    Parameters
    ----------
    classify, images, shifts, tell
        As for `invariance_map`.

    References
    ----------
    Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", section 4.1, who draws some of the pairs.

    Examples
    --------
    >>> upper = lambda x: np.stack([x[..., :14, :].sum((1, 2, 3)), x[..., 14:, :].sum((1, 2, 3))], 1)
    >>> dots = np.zeros((1, 28, 28), np.uint8)
    >>> dots[0, 14, 14] = 255
    >>> consistency(upper, dots, Shifts(2, 28)).value              # the lower half in 3 of 5 rows: 0.6^2 + 0.4^2
    0.52
    """
    found = invariance_map(classify, images, np.zeros(len(images), int), shifts, tell=tell)
    return Consistency(found.consistency, len(images), found.shifts)


@dataclass(frozen=True)
class InvarianceMap:
    """What `invariance_map` found, for every place; rows are dy, columns dx, from -reach to reach.

    Attributes
    ----------
    shifts : Shifts
        The shift model.
    labels : ndarray of int, shape (n,)
    classes : ndarray of int, shape (size, size, n)
        The class that each image gets at each place.
    feature_distance : ndarray, shape (size, size)
        ||f(S x) - f(x)|| / ||f(x)||, the norms over all images together, x the digit in the middle.
    """

    shifts: Shifts
    labels: np.ndarray = field(repr=False)
    classes: np.ndarray = field(repr=False)
    feature_distance: np.ndarray = field(repr=False)

    @property
    def accuracy(self):
        """Share of the images that get their label, shape (size, size)."""
        return (self.classes == self.labels).mean(-1)

    @property
    def same_class(self):
        """Share of the images that get the class that they get in the middle, shape (size, size)."""
        return (self.classes == self.classes[self.shifts.reach, self.shifts.reach]).mean(-1)

    @property
    def consistency(self):
        """See the function `consistency`."""
        classes = self.classes.reshape(-1, len(self.labels))
        counts = np.stack([(classes == c).sum(0) for c in np.unique(classes)])
        return float(((counts / len(classes)) ** 2).sum(0).mean())

    def over(self, places):
        """The means over the places of a mask: number of places, accuracy, same_class, feature_distance."""
        found = {name: float(getattr(self, name)[places].mean())
                 for name in ("accuracy", "same_class", "feature_distance")}
        return {"places": int(places.sum()), **found}

    def by_distance(self):
        """[`over` the places at max(|dy|, |dx|) = 0, 1, ..., reach]."""
        return [self.over(self.shifts.distance == d) for d in range(self.shifts.reach + 1)]

    def by_parity(self):
        """{"both even", "otherwise"} -> `over` the places of `Shifts.parity`, which are equally far from the middle."""
        return {name: self.over(mask) for name, mask in self.shifts.parity.items() if mask.any()}

    def as_dict(self):
        """All of it as numbers and lists, for JSON."""
        maps = {name: getattr(self, name).tolist() for name in ("accuracy", "same_class", "feature_distance")}
        return {"shift_model": str(self.shifts), "reach": self.shifts.reach, "view": self.shifts.view,
                "images": len(self.labels), "consistency": self.consistency, "by_distance": self.by_distance(),
                "by_parity": self.by_parity(), **maps}


def invariance_map(classify, images, labels, shifts=None, features=None, tell=None) -> InvarianceMap:
    """The classes that a network gives to digits at all places, and how far their features move.

    Parameters
    ----------
    classify : Module or callable
        Logits (n, classes) of normalised float32 images (n, 1, view, view). It is given arrays, may return an array or
        a Tensor, and a Module is put in evaluation mode for the time being.
    images : ndarray of uint8, shape (n, digit, digit)
    labels : ndarray of int, shape (n,)
    shifts : Shifts, optional
        By default all 121 placements of 28x28 digits on a 38x38 canvas.
    features : callable, optional
        f of the feature distance, from the same images to an array (n, ...), as in `model.features`; the logits where
        it is not given.
    tell : callable, optional
        Called with a line of text for each row of places.

    Raises
    ------
    ValueError
        Images and labels do not fit each other or the shift model, or what `classify` returns is not (n, classes).

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
    with _evaluating(classify, features):
        logits, middle = _answers(classify, features, shifts.images(images, 0, 0))
        classes = np.empty((shifts.size, shifts.size, len(images)), np.int16)
        distance = np.empty((shifts.size, shifts.size))
        for i, dy in enumerate(shifts.steps):
            for j, dx in enumerate(shifts.steps):
                logits, moved = _answers(classify, features, shifts.images(images, dy, dx))
                classes[i, j] = logits.argmax(1)
                distance[i, j] = relative_change(moved, middle)
            if tell:
                tell(f"dy = {dy:+d}: accuracy {(classes[i] == labels).mean():.1%}")
    return InvarianceMap(shifts, labels, classes, distance)


def relative_change(moved, still):
    """||moved - still|| / ||still|| in float64; 0 where both are zero.

    >>> relative_change(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == 4 / 3
    True
    """
    moved, still = np.asarray(moved, np.float64), np.asarray(still, np.float64)
    change, size = np.linalg.norm((moved - still).ravel()), np.linalg.norm(still.ravel())
    return float(change / size) if size else float("inf") if change else 0.0


def dense_parameters(height=400, width=400, channels=3, hidden=500, bias=False):
    """Weights of a fully connected layer: every pixel to every hidden unit; with `bias` also one for each unit.

    >>> dense_parameters()
    240000000
    """
    return (height * width * channels + bool(bias)) * hidden


def convolution_parameters(channels=3, out_channels=20, kernel=5, bias=False):
    """Weights of a convolution with kernel x kernel taps; the size of the image does not matter.

    >>> convolution_parameters(), convolution_parameters(bias=True)
    (1500, 1520)
    """
    return (kernel * kernel * channels + bool(bias)) * out_channels


def parameter_argument(height=400, width=400, channels=3, hidden=500, out_channels=20, kernel=5):
    """The two counts in a sentence.

    >>> print(parameter_argument())
    A 400x400x3 image into 500 hidden units takes 240 000 000 weights and 500 biases; a 5x5 convolution to 20 channels takes 1 500 weights and 20 biases, together 1 520, for any image size.
    """  # noqa: E501
    number = lambda count: f"{count:,}".replace(",", " ")
    dense = dense_parameters(height, width, channels, hidden)
    convolution = convolution_parameters(channels, out_channels, kernel)
    return (f"A {height}x{width}x{channels} image into {hidden} hidden units takes {number(dense)} weights and "
            f"{hidden} biases; a {kernel}x{kernel} convolution to {out_channels} channels takes {number(convolution)} "
            f"weights and {out_channels} biases, together {number(convolution + out_channels)}, for any image size.")


@contextlib.contextmanager
def _evaluating(*functions):
    """The Modules among the functions, and those whose methods they are, in evaluation mode; their modes put back."""
    found = {id(m): m for f in functions for m in (f, getattr(f, "__self__", None)) if isinstance(m, Module)}
    modes = [(module, module.training) for owner in found.values() for _, module in owner.named_modules()]
    try:
        for module in found.values():
            module.eval()
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _answers(classify, features, images):
    """Logits and features of uint8 images (n, H, W), normalised and batch by batch."""
    logits, others = [], []
    for start in range(0, len(images), BATCH):
        x = normalize(images[start:start + BATCH])
        out = as_array(classify(x))
        if out.ndim != 2 or len(out) != len(x):
            raise InputError(f"invariance_map: classify returned shape {out.shape} for images {x.shape}: it must be "
                             f"({len(x)}, classes)")
        logits.append(out)
        others.append(out if features is None else as_array(features(x)))
    return np.concatenate(logits), np.concatenate(others)


def as_array(out):
    """The array of a Tensor, or the array that was given."""
    return out.data if isinstance(out, Tensor) else np.asarray(out)
