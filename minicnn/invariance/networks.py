"""Networks are trained on digits in the middle and tested on digits at other places. This shows why to convolve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..checks import integer
from ..data import Dataset, load
from ..data.placement import Shifts
from ..errors import InputError
from ..models import MODELS
from ..nn import Module
from ..nn.summary import summarize
from ..progress import SILENT, Part, Progress
from ..training import Settings, fit
from .maps import InvarianceMap, invariance_map

COMPARED = ("mlp", "lenet", "lenet-global")
TITLES = {"mlp": "MLP", "lenet": "LeNet", "lenet-average": "LeNet, average-pool", "lenet-blur": "LeNet, blur-pool",
          "lenet-global": "LeNet, global max-pool"}
OVERHEAD = 25_000_000           # all other work for an image takes about as long as these multiply-adds


@dataclass(frozen=True)
class ModelResult:
    """The result of one network under one shift model. The numbers are means over the seeds.

    Attributes
    ----------
    model : str
        The name of the network.
    shifts : Shifts
        The shift model.
    parameters : int
    val_error : float
        The validation error in training, on images that are not moved.
    maps : tuple of InvarianceMap
        One for each seed.
    """

    model: str
    shifts: Shifts
    parameters: int
    val_error: float
    maps: tuple[InvarianceMap, ...] = field(repr=False)

    @property
    def title(self) -> str:
        """The network in words, and the size of the images that it sees."""
        return f"{TITLES.get(self.model, self.model)}, {self.shifts.view}x{self.shifts.view}"

    @property
    def accuracy(self) -> np.ndarray:
        """Mean accuracy at max(|dy|, |dx|) = 0, 1, ..., reach: shape (reach + 1,)."""
        return np.mean([[place["accuracy"] for place in found.by_distance()] for found in self.maps], 0)

    @property
    def consistency(self) -> float:
        """The probability that a digit gets the same class at two places."""
        return float(np.mean([found.consistency for found in self.maps]))

    def as_dict(self) -> dict[str, Any]:
        """All of it as numbers and lists, for JSON."""
        return {"model": self.model, "title": self.title, "parameters": self.parameters, "val_error": self.val_error,
                "accuracy": self.accuracy.tolist(), "consistency": self.consistency,
                "seeds": [found.as_dict() for found in self.maps]}


def compare_models(models: Mapping[str, Callable[..., Module]] | Sequence[str] = COMPARED, data: Dataset | None = None,
                   *, epochs: int = 8, seeds: Sequence[int] = (1,), images: int = 300, reach: int = 5,
                   progress: Progress = SILENT, share: Callable = map) -> list[ModelResult]:
    """Train networks on digits in the middle, once for each seed, and test them on moved digits.

    All networks are trained and tested on the same 28x28 pixels (`Shifts(reach, 28)`). A network for any size (its
    attribute `image_size` is None) is also tested on the whole canvas of 28 + 2 reach pixels.

    Parameters
    ----------
    models : mapping or sequence of str
        {name of a network: function that makes the network from `rng`, a numpy.random.Generator}. A sequence consists
        of names in `minicnn.models.MODELS`.
    data : Dataset, optional
        The embedded digits by default. The first `images` test digits are moved; without a test set, the first
        validation digits. Training used the validation digits to choose the best epoch; that can only favour the
        centre.
    epochs : int
    seeds : sequence of int
        The seeds of the weights and of the order of the training images.
    images : int
        How many digits are moved.
    reach : int
        How far they are moved each way, in pixels.
    progress : Progress
        Is updated during training and measuring, and gets a note for each trained network and each result.
    share : callable
        A function like map. It is called once, and calls its function once for each network and seed; several
        processes may share these calls.

    Returns
    -------
    list of ModelResult
        In the order of `models`.

    Raises
    ------
    InputError
        There is no model with such a name; there are no models or seeds; `images` is below 1.

    Examples
    --------
    >>> digits = load("mnist5k")
    >>> found, = compare_models(["mlp"], digits, epochs=2, images=100, reach=2)
    >>> bool(found.accuracy[2] < found.accuracy[0] - 0.2)          # a digit that is moved by two pixels is lost
    True
    """
    factories = _factories(models)
    integer("compare_models: images", images, 1)
    if not len(seeds):
        raise InputError("compare_models: at least one seed is needed, as in seeds=(1,)")
    data = data or load("mnist5k")
    pixels, labels = data.val_images[:images], data.val_labels[:images]
    if data.test_images is not None and data.test_labels is not None:
        pixels, labels = data.test_images[:images], data.test_labels[:images]
    views = {name: _views(make, reach) for name, make in factories.items()}
    moved, work = len(pixels) * (2 * reach + 1) ** 2, []        # (title of the network, about its time)
    jobs = [(name, seed) for name in factories for seed in seeds]
    for name, _ in jobs:
        learning = epochs * len(data.train_labels) * _work(factories[name], 28, 3)
        work += [(TITLES.get(name, name), units) for units in
                 (learning, *(moved * _work(factories[name], view, 1) for view in views[name]))]
    parts = _parts(progress, work)

    def measured(number):
        """The number of parameters, the validation error, and a map for each view."""
        name, seed = jobs[number]
        first = sum(1 + len(views[name]) for name, _ in jobs[:number])
        model, error = _trained(name, factories[name], data, epochs, seed, parts[first])
        maps = [invariance_map(model, pixels, labels, Shifts(reach, view), progress=part)
                for view, part in zip(views[name], parts[first + 1:], strict=False)]
        return sum(parameter.size for parameter in model.parameters()), error, maps
    found, results = iter(share(measured, range(len(jobs)))), []
    for name in factories:
        counts, errors, maps = zip(*(next(found) for _ in seeds), strict=True)
        for view, of_seeds in zip(views[name], zip(*maps, strict=True), strict=True):
            results.append(ModelResult(name, Shifts(reach, view), counts[0], float(np.mean(errors)), of_seeds))
            progress.note(f"{results[-1].title}: accuracy {results[-1].accuracy[0]:.1%} in the middle, "
                          f"{results[-1].accuracy[-1]:.1%} at {reach} pixels, "
                          f"consistency {results[-1].consistency:.1%}")
    return results


def comparison_table(results: Sequence[ModelResult]) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a table: accuracy in % by distance, and consistency in %. All cells are texts.

    The shift model of a row is `result.shifts`. The size in the title of a row is the size of the images that the
    network sees.
    """
    reach = max(result.shifts.reach for result in results)
    header = ["network, sees", "parameters", *(f"{d} px" for d in range(reach + 1)), "consistency"]
    rows = [[result.title, f"{result.parameters:,}", *(f"{100 * a:.1f}" for a in result.accuracy),
             *[""] * (reach - result.shifts.reach), f"{100 * result.consistency:.1f}"] for result in results]
    return header, rows


def _factories(models) -> dict[str, Callable[..., Module]]:
    """{name: function that makes the network}, at least one."""
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        unknown = [name for name in models if name not in MODELS]
        if unknown:
            raise InputError(f"compare_models: models must be some of {', '.join(MODELS)}, not {unknown!r}; a mapping "
                             "gives networks of your own")
        found = {name: MODELS[name] for name in models}
    if not found:
        raise InputError("compare_models: at least one model is needed")
    return found


def _views(make, reach):
    """The sizes of the images on which the network is tested."""
    return (28,) if getattr(make(rng=np.random.default_rng(0)), "image_size", 28) else (28, 28 + 2 * reach)


def _work(make, view, passes):
    """A number about proportional to the network's time for one image. Training takes as long as 3 passes."""
    layers = summarize(make(rng=np.random.default_rng(0)), (1, 1, view, view))
    return passes * sum(layer.multiply_adds for layer in layers) + OVERHEAD


def _parts(whole, work):
    """A part of the whole for each (title, time), one after the other."""
    edges = np.cumsum([0.0, *(units for _, units in work)])
    edges /= edges[-1]
    return [Part(whole, start, stop, f"{title}: ")
            for (title, _), start, stop in zip(work, edges, edges[1:], strict=False)]


def _trained(name, make, data, epochs, seed, progress):
    """A network, and the smallest validation error of its training."""
    model = make(rng=np.random.default_rng(seed))
    history = fit(model, data, Settings(epochs=epochs, seed=seed), progress=_Updates(progress, 0, 1))
    error = min(record["val_error"] for record in history)
    progress.note(f"{TITLES.get(name, name)}, seed {seed}: trained for {epochs} epoch{'s' * (epochs != 1)}, "
                  f"validation error {error:.1%}")
    return model, error


class _Updates(Part):
    """Progress without the notes that `fit` gives after each epoch."""

    def note(self, line: str) -> None:
        pass
