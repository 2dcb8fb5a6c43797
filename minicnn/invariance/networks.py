"""Networks that were trained on digits in the middle and are asked about digits elsewhere: the case for convolution."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..data import load
from ..data.placement import Shifts
from ..errors import InputError
from ..models import MODELS
from ..training import Settings, fit
from .maps import InvarianceMap, invariance_map

COMPARED = ("mlp", "lenet", "lenet-global")
TITLES = {"mlp": "MLP", "lenet": "LeNet", "lenet-average": "LeNet, average-pool", "lenet-blur": "LeNet, blur-pool",
          "lenet-global": "LeNet, global max-pool"}


@dataclass(frozen=True)
class ModelResult:
    """What became of one network under one shift model; numbers are means over the seeds.

    Attributes
    ----------
    model : str
        Its name in `minicnn.models.MODELS`.
    shifts : Shifts
        The shift model.
    parameters : int
    val_error : float
        Of all validation images where they are, as training saw it.
    maps : tuple of InvarianceMap
        One for each seed.
    """

    model: str
    shifts: Shifts
    parameters: int
    val_error: float
    maps: tuple[InvarianceMap, ...] = field(repr=False)

    @property
    def title(self):
        """The network in words, and how much it sees."""
        return f"{TITLES.get(self.model, self.model)}, {self.shifts.view}x{self.shifts.view}"

    @property
    def accuracy(self):
        """Mean accuracy at max(|dy|, |dx|) = 0, 1, ..., reach: shape (reach + 1,)."""
        return np.mean([[place["accuracy"] for place in found.by_distance()] for found in self.maps], 0)

    @property
    def consistency(self):
        """P[a digit gets the same class at two places]."""
        return float(np.mean([found.consistency for found in self.maps]))

    def as_dict(self):
        """All of it as numbers and lists, for JSON."""
        return {"model": self.model, "title": self.title, "parameters": self.parameters, "val_error": self.val_error,
                "accuracy": self.accuracy.tolist(), "consistency": self.consistency,
                "seeds": [found.as_dict() for found in self.maps]}


def compare_models(models=COMPARED, data=None, *, epochs=8, seeds=(1,), images=300, reach=5, tell=None):
    """Train networks on digits in the middle, each once a seed, and try them on moved digits they were not trained on.

    All are given the same 28x28 pixels (`Shifts(reach, 28)`). A network that takes any size is also given the whole
    canvas, 28 + 2 reach pixels; it was trained on 28x28 all the same.

    Parameters
    ----------
    models : sequence of str
        Names in `minicnn.models.MODELS`.
    data : minicnn.data.Dataset, optional
        The embedded digits where not given. The first `images` test digits are moved, or validation digits where there
        is no test set; of these training has chosen the best epoch, which favours no place but the middle.
    epochs : int
    seeds : sequence of int
    tell : callable, optional
        Called with a line of text when something was trained or measured.

    Returns
    -------
    list of ModelResult
        In the order of `models`.

    Raises
    ------
    ValueError
        A model is not known; there are no seeds; `images` is below 1.

    Examples
    --------
    >>> digits = load("mnist5k")
    >>> found, = compare_models(["mlp"], digits, epochs=3, images=100, reach=2)
    >>> bool(found.accuracy[2] < found.accuracy[0] - 0.2)          # two pixels away it is lost
    True
    """
    unknown = [name for name in models if name not in MODELS]
    if unknown or not models:
        raise InputError(f"compare_models: models must be some of {', '.join(MODELS)}, not {unknown or models!r}")
    if not len(seeds) or images < 1:
        raise InputError(f"compare_models: at least one seed and one image are needed, not seeds={seeds!r}, "
                         f"images={images!r}")
    data, tell = data or load("mnist5k"), tell or (lambda line: None)
    tested = (data.val_images, data.val_labels) if data.test_images is None else (data.test_images, data.test_labels)
    results = []
    for name in models:
        trained = [_trained(name, data, epochs, seed, tell) for seed in seeds]
        error = float(np.mean([error for _, error in trained]))
        views = (28,) if trained[0][0].image_size else (28, 28 + 2 * reach)
        for shifts in (Shifts(reach, view) for view in views):
            maps = tuple(invariance_map(model, *(part[:images] for part in tested), shifts) for model, _ in trained)
            count = sum(p.size for p in trained[0][0].parameters())
            results.append(ModelResult(name, shifts, count, error, maps))
            tell(f"{results[-1].title}: accuracy {results[-1].accuracy[0]:.1%} in the middle, "
                 f"{results[-1].accuracy[-1]:.1%} at {reach} pixels, consistency {results[-1].consistency:.1%}")
    return results


def comparison_table(results):
    """The header and the rows of a table of texts: accuracy in % by distance, and consistency.

    The shift model of a row is `result.shifts`; the size in its title is what the network sees.
    """
    reach = max(result.shifts.reach for result in results)
    header = ["network, sees", "parameters", *(f"{d} px" for d in range(reach + 1)), "consistency"]
    rows = [[result.title, f"{result.parameters:,}", *(f"{100 * a:.1f}" for a in result.accuracy),
             *[""] * (reach - result.shifts.reach), f"{100 * result.consistency:.1f}"] for result in results]
    return header, rows


def _trained(name, data, epochs, seed, tell):
    """A network, and the least validation error of its training."""
    model = MODELS[name](rng=np.random.default_rng(seed))
    history = fit(model, data, Settings(epochs=epochs, seed=seed))
    error = min(record["val_error"] for record in history)
    tell(f"{TITLES.get(name, name)}, seed {seed}: trained for {epochs} epochs, validation error {error:.1%}")
    return model, error
