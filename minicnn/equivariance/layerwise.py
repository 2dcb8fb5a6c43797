"""Reports layer by layer through a network: which layer breaks equivariance to shifts, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adapters.function_reasons import orders_places, places_in
from ..adapters.reasons import reason
from ..checks import generator, one_of
from ..nn.unchanged import looking
from ..progress import SILENT, Part, Progress
from .domains import Pair
from .network.invariance import Invariance, invariances
from .network.judge import Options, judge
from .network.passes import title
from .operator import as_network, image_shape, layer_operators
from .report import Report
from .signals import DOMAINS


@dataclass(frozen=True)
class LayerReport:
    """The report on a network up to the output of one of its layers, as an operator on images.

    Attributes
    ----------
    name, kind : str
        The layer's name in the network, and its repr.
    report : Report
    reason : str
        If the network is not equivariant up to this layer: what in the layer's settings breaks it, and what would mend
        it. "" if nothing in them explains it; then look at what the network does before this layer.
    mended : bool
        The network is not equivariant up to this layer, but it is up to all steps that use the layer's output, or
        up to those that use theirs. So a slice is a part of circular padding, which a concatenation completes.
    """

    name: str
    kind: str
    report: Report
    reason: str = ""
    mended: bool = False

    @property
    def breaks(self) -> bool:
        """Whether the network is not equivariant up to this layer, and no later step mends it."""
        return not self.report.equivariant and not self.mended

    @property
    def title(self) -> str:
        """The layer's name and class, as in "2 MaxPool2d"."""
        return title(self.name, self.kind)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"layer": self.name, "kind": self.kind, "reason": self.reason or None, "mended": self.mended,
                **self.report.to_dict()}

    def __str__(self):
        text = f"{self.title}: {self.report.verdict}"
        failing = self.report.shift_failing
        if failing is not None:
            rows, columns = np.nonzero(failing)
            text += (f"; after a shift by one pixel, {len(rows)} of {failing.size} pixels are wrong, rows {rows.min()} "
                     f"to {rows.max()}, columns {columns.min()} to {columns.max()}")
        return text + "; a later step mends it" * self.mended


@looking
def layer_reports(module: Any, in_channels: int | None = None, size: Pair | None = None, domain: str = "window",
                  dtype: Any = np.float32, *, output: int | str | None = None, layout: str | None = None,
                  progress: Progress = SILENT, **options: Any) -> list[LayerReport]:
    """`verify_convolution` of a Module up to each of its innermost layers. It shows which layer breaks equivariance.

    Parameters
    ----------
    module : Module of minicnn, PyTorch or Flax, layer or model of Keras, or an ONNX file or model
        Of an ONNX graph, the layers are the nodes. Of Flax and Keras, functions between two layers are one step.
    in_channels, size, domain, dtype, output, layout, progress, **options
        As in `verify_convolution`. All layers are tried on the same images.

    Returns
    -------
    list of LayerReport
        In the order of the calls, for each step whose output is an image (N, C, H, W) of several pixels.
        `network_report` also judges the steps after the last image.

    Raises
    ------
    OperatorError
        The module raised an exception.
    TypeError
        `module` is not a Module.

    Examples
    --------
    >>> from minicnn.nn import Conv2d, MaxPool2d, Sequential
    >>> for layer in layer_reports(Sequential(Conv2d(1, 2, 3), MaxPool2d(2)), size=(20, 20)):
    ...     print(layer.name, layer.report.lattice)
    0 (1, 1)
    1 (2, 2)
    """
    return network_report(module, in_channels, size, domain, dtype, output=output, layout=layout, after=False,
                          progress=progress, **options).layers


@looking
def network_report(module: Any, in_channels: int | None = None, size: Pair | None = None, domain: str = "window",
                   dtype: Any = np.float32, *, output: int | str | None = None, layout: str | None = None,
                   after: bool = True, progress: Progress = SILENT, **options: Any) -> NetworkReport:
    """Judge a network: up to each of its images as `layer_reports` does, and the rest by its invariance.

    Parameters
    ----------
    module, in_channels, size, domain, dtype, output, layout, progress, **options
        As in `layer_reports`.
    after : bool
        Measure the invariance of the steps after the last image.

    Examples
    --------
    >>> from minicnn.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Sequential
    >>> conv = Conv2d(1, 2, 3, padding=1, padding_mode="circular")
    >>> report = network_report(Sequential(conv, AdaptiveAvgPool2d(1), Flatten()), size=(8, 8), domain="torus")
    >>> report.first is None, [step.invariant for step in report.after]
    (True, [True, True])
    """
    one_of("domain", domain, DOMAINS)
    module = as_network(module, output, layout)
    in_channels, size = image_shape(module, in_channels, size)
    steps = [_settled(step, size, domain) for step in layer_operators(module, in_channels, size, dtype)]
    end = 1 + max((n for n, step in enumerate(steps) if _is_image(step, size)), default=-1)
    whys = [_not_judged(step, size, "window" if step is steps[end - 1] else domain) for step in steps[:end]]
    images = [step for step, why in zip(steps, whys, strict=False) if not why]
    rest = [step for step in steps[end:] if step.up_to or step.rest] if after else []
    seed = int(generator("rng", options.pop("rng", None), 0).integers(2 ** 32))
    settings = Options(in_channels, size, domain, _dtype_of(images, dtype), seed=seed, **options)
    reports = judge(images, settings, Part(progress, 0, 0.9 if rest else 1))
    lasting = _lasting(steps, [layer for layer, report in zip(images, reports, strict=True) if report.equivariant])
    found = [LayerReport(layer.name, layer.kind, report, "" if report.equivariant else _why(layer, steps, whys, domain),
                         not report.equivariant and not any(layer is one for one in lasting))
             for layer, report in zip(images, reports, strict=True)]
    lattice = found[-1].report.lattice or (None, None) if found else (1, 1)
    judged = iter(found)
    invariant = iter(invariances(rest, lattice, settings, Part(progress, 0.9, 1)) if rest else [])
    return NetworkReport(
        [NotJudged(step.name, step.kind, why) if why else next(judged)
         for step, why in zip(steps, whys, strict=False)],
        [next(invariant) if step.up_to or step.rest else NotJudged(step.name, step.kind, step.unjudged)
         for step in steps[end:]] if after else [])


@dataclass(frozen=True)
class NotJudged:
    """A step that is not judged, and why."""

    name: str
    kind: str
    why: str

    @property
    def title(self) -> str:
        """The step's name and class."""
        return title(self.name, self.kind)

    def __str__(self):
        return f"{self.title}: not judged, because {self.why}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"layer": self.name, "kind": self.kind, "verdict": None, "not_judged": self.why}


@dataclass(frozen=True)
class NetworkReport:
    """The report on a network.

    Attributes
    ----------
    steps : list of LayerReport and NotJudged
        Each step up to the last image of several pixels, in the order of computation. A step is not judged if its
        output is no image, or on the torus has a size that does not fit.
    after : list of Invariance and NotJudged
        The steps after the last image.
    """

    steps: list[LayerReport | NotJudged]
    after: list[Invariance | NotJudged]

    @property
    def layers(self) -> list[LayerReport]:
        """The steps up to the last image that are judged."""
        return [one for one in self.steps if isinstance(one, LayerReport)]

    @property
    def first(self) -> LayerReport | None:
        """The first layer that breaks equivariance, if no later step mends it, or None."""
        return next((one for one in self.layers if one.breaks), None)

    def to_list(self) -> list[dict[str, Any]]:
        """For JSON: a record for each step, in the order of computation."""
        return [one.to_dict() for one in (*self.steps, *self.after)]


def _why(layer, steps, whys, domain):
    """The reason in a step, and in the steps just before it that are not judged: padding, the steps of an attention."""
    found, place = [], next(n for n, step in enumerate(steps) if step is layer)
    own = reason(layer.layer, domain, layer.channels_last)
    while place and whys[place - 1]:
        place -= 1
        step = steps[place]
        placed = places_in(step.layer) is not None
        if placed or step.up_to or orders_places(step.layer):
            text = reason(step.layer, domain, step.channels_last)
            found = [f"{title(step.name, step.kind)}: {text}"] * bool(text) + found
            own = "" if not step.up_to else own         # a later reshape only follows it
    return "; ".join(filter(None, [*found, own]))


def _lasting(steps, equivariant):
    """The steps from which a chain of steps that are not equivariant leads to an end of the network."""
    equivariant = set(map(id, equivariant))
    users: list[list[int]] = [[] for _ in steps]
    for n, step in enumerate(steps):
        for taken in step.takes:
            users[taken].append(n)
    lasting: set[int] = set()
    for n in reversed(range(len(steps))):
        if id(steps[n]) not in equivariant and (not users[n] or lasting.intersection(users[n])):
            lasting.add(n)
    return [steps[n] for n in lasting]


def _is_image(step, size):
    """Whether the output of a step is an image of several pixels, or the input has one pixel only."""
    return step.up_to is not None and (tuple(size) == (1, 1) or getattr(step.up_to, "shape", ())[1:] != (1, 1))


def _settled(step, size, domain):
    """A step whose output is an image by its number of axes only: it is one if its size fits the domain."""
    if step.up_to is None or step.rest is None:
        return step
    fits = domain != "torus" or _fits(step.up_to.shape[1:], size)
    return step._replace(rest=None) if fits else step._replace(up_to=None)


def _fits(own, size):
    return not any(n % m and m % n for n, m in zip(size, own, strict=True))


def _not_judged(step, size, domain):
    """Why a step up to the last image is not judged; "" if it is. The last one is, or `judge` says that it cannot be.
    """
    if not _is_image(step, size):
        return step.unjudged or ("its output is no image" if step.up_to is None else "its output has one pixel only")
    own = getattr(step.up_to, "shape", (0, *size))[1:]
    if domain == "torus" and not _fits(own, size):
        return (f"its output has {own[0]} x {own[1]} pixels, and on the torus these must divide {size[0]} x {size[1]}, "
                "or be multiples")
    return ""


def _dtype_of(layers, dtype):
    """The dtype of a network's images: a network of another library may not take float64."""
    return next((layer.up_to.walk.dtype for layer in layers if hasattr(layer.up_to, "walk")), dtype)
