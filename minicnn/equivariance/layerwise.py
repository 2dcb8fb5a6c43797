"""Reports layer by layer through a network: which layer breaks equivariance to shifts, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adapters import as_operator
from ..adapters.reasons import reason
from ..nn.unchanged import looking
from ..progress import SILENT, Part, Progress
from .domains import Pair
from .operator import has_layers, image_shape, layer_operators
from .report import Report
from .verifier import verify_convolution


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
    """

    name: str
    kind: str
    report: Report
    reason: str = ""

    @property
    def title(self) -> str:
        """The layer's name and class, as in "2 MaxPool2d"."""
        return title(self.name, self.kind)

    def __str__(self):
        text = f"{self.title}: {self.report.verdict}"
        failing = self.report.shift_failing
        if failing is not None:
            rows, columns = np.nonzero(failing)
            text += (f"; after a shift by one pixel, {len(rows)} of {failing.size} pixels are wrong, rows {rows.min()} "
                     f"to {rows.max()}, columns {columns.min()} to {columns.max()}")
        return text


def title(name: str, kind: str) -> str:
    """The name of a layer and its class.

    >>> title("2", "MaxPool2d(2)"), title("MaxPool2d", "MaxPool2d(2)")
    ('2 MaxPool2d', 'MaxPool2d')
    """
    kind = kind.partition("(")[0]
    return name if name == kind else f"{name} {kind}"


@looking
def layer_reports(module: Any, in_channels: int | None = None, size: Pair | None = None, domain: str = "window",
                  dtype: Any = np.float32, *, output: int | str | None = None, layout: str | None = None,
                  progress: Progress = SILENT, **options: Any) -> list[LayerReport]:
    """`verify_convolution` of a Module up to each of its innermost layers. It shows which layer breaks equivariance.

    Parameters
    ----------
    module : minicnn.nn.Module or torch.nn.Module
    in_channels, size, domain, dtype, output, layout, progress, **options
        As in `verify_convolution`.

    Returns
    -------
    list of LayerReport
        In the order of the calls. The list ends before the first layer whose output is not of shape (N, C, H, W).
        `unjudged_layers` names the rest.

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
    module = as_operator(module, output, layout) if has_layers(module) else module
    in_channels, size = image_shape(module, in_channels, size)
    layers = [(name, kind, layer, up_to)
              for name, kind, layer, up_to in layer_operators(module, in_channels, size, dtype) if up_to]
    found = []
    for index, (name, kind, layer, up_to) in enumerate(layers):
        part = Part(progress, index / len(layers), (index + 1) / len(layers), f"{name}: ")
        report = verify_convolution(up_to, in_channels, size, domain, dtype, **options, progress=part)
        found.append(LayerReport(name, kind, report, "" if report.equivariant else reason(layer, domain)))
    return found


@looking
def unjudged_layers(module: Any, in_channels: int | None = None, size: Pair | None = None,
                    dtype: Any = np.float32) -> list[tuple[str, str]]:
    """(name, repr) of the innermost layers that `layer_reports` leaves out, because their output is not an image.

    >>> from minicnn.nn import Conv2d, Flatten, Sequential
    >>> unjudged_layers(Sequential(Conv2d(1, 2, 3), Flatten()))
    [('1', 'Flatten()')]
    """
    in_channels, size = image_shape(module, in_channels, size)
    return [(name, kind) for name, kind, _, up_to in layer_operators(module, in_channels, size, dtype) if up_to is None]
