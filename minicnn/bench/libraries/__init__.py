"""The competitors in the benchmarks: minicnn's algorithms and other libraries. A new library is one file here.

The name of the file is the name of the library in `minicnn bench train --against NAME`. The file ends with
`LIBRARY = Library(...)`. It imports the library inside its functions: the parent process imports every file here.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ...checks import one_of
from ...errors import InputError


@dataclass(frozen=True)
class Library:
    """One library: its names, and the functions that compute with it.

    Attributes
    ----------
    module : str
        The `__name__` of the file.
    package, install : str
        The name in an import, and the name for pip.
    start : callable
        start(threads) imports the library, limits its threads and returns its version.
    network : callable
        network(variant, inputs) -> NetworkCalls, for the network, batch and weights of `lenet_step.StepInputs`.
    layer : callable, optional
        layer(variant, geometry, x, weight, grad) -> LayerCalls, for one convolution layer.
    variants, layer_variants : dict of str
        {variant: its name in the tables}, for networks and for single layers. If it is empty, nothing is measured.
    models : tuple of str
        The networks that it has, of `lenet_step.NETWORKS`.
    instructions : callable
        instructions() -> the instruction set that the library says it uses, or None if it does not tell.
    product : callable, optional
        product(side) -> a function that multiplies two matrices (side, side) of float32.
    """

    module: str
    package: str
    install: str
    start: Callable[[int], str]
    network: Callable[..., NetworkCalls]
    layer: Callable[..., LayerCalls] | None = None
    variants: dict[str, str] = field(default_factory=dict)
    layer_variants: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ("lenet",)
    instructions: Callable[[], str | None] = lambda: None
    product: Callable[[int], Callable[[], Any]] | None = None

    @property
    def installed(self) -> bool:
        """Whether the package can be imported. This does not import it."""
        return importlib.util.find_spec(self.package) is not None


@dataclass(frozen=True)
class NetworkCalls:
    """The calls that are timed on a network and one batch.

    Attributes
    ----------
    step : callable
        step() -> loss, after one step of plain gradient descent.
    forward : callable
        forward() -> logits, shape (N, 10).
    weights : callable
        weights() -> the arrays under minicnn's names and in minicnn's shapes.
    """

    step: Callable[[], float]
    forward: Callable[[], np.ndarray]
    weights: Callable[[], dict[str, np.ndarray]]


@dataclass(frozen=True)
class LayerCalls:
    """The calls that are timed on a convolution layer.

    Attributes
    ----------
    forward : callable
        forward() -> (out, saved).
    backward : callable
        backward(saved, needs) -> (grad_input, grad_weight). `needs` is two booleans; None stands where one is False.
    array : callable
        array(result) -> ndarray, for out and both gradients.
    compiles : bool
        Whether the first call may compile, so that its time says nothing.
    """

    forward: Callable[[], tuple[Any, Any]]
    backward: Callable[[Any, tuple[bool, bool]], tuple[Any, Any]]
    array: Callable[[Any], np.ndarray]
    compiles: bool = True


@dataclass(frozen=True)
class Competitor:
    """One row of a result: a variant of a library, under the name in the tables."""

    name: str
    library: str
    variant: str
    module: str


@cache
def found() -> dict[str, Library]:
    """{name: Library} of every file in this folder, minicnn's own too.

    >>> found()["torch"].install
    'torch'
    """
    names = [name for _, name, _ in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}").LIBRARY for name in names}


def others(layers: bool = False, model: str = "lenet") -> dict[str, Library]:
    """The libraries to compare minicnn with: those that have the network `model`, or can measure single `layers`.

    >>> list(others(layers=True))
    ['tensorflow', 'torch']
    """
    return {name: known for name, known in found().items()
            if (known.layer_variants if layers else known.variants and model in known.models)}


def competitors(names: Iterable[str], layers: bool = False, model: str = "lenet") -> list[Competitor]:
    """The variants of the libraries of these names.

    Parameters
    ----------
    names : iterable of str
    layers : bool
        Return the variants for single layers instead of those for a network.
    model : str
        The network.

    Raises
    ------
    InputError
        An unknown name, or a library that is not installed.

    Examples
    --------
    >>> [competitor.name for competitor in competitors(["textbook"])]
    ['textbook NumPy']
    """
    result, known = [], others(layers, model)
    chosen = {name: known[one_of("library", name, known)] for name in names}
    if missing := {name: library for name, library in chosen.items() if not library.installed}:
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        commands = " and ".join(f"`pip install {library.install}`" for library in missing.values())
        raise InputError(f"{', '.join(library.package for library in missing.values())} {are} not installed: install "
                         f"{them} with {commands}, or leave {', '.join(missing)} out. CONTRIBUTING.md says how "
                         "large they are and how to get the smaller builds for CPUs")
    for name, library in chosen.items():
        variants = library.layer_variants if layers else library.variants
        result += [Competitor(label, name, variant, library.module) for variant, label in variants.items()]
    return result


def with_algorithm(algorithm: str) -> Competitor:
    """minicnn with a convolution algorithm; "auto" is minicnn with its default.

    >>> with_algorithm("auto").name, with_algorithm("direct").name
    ('minicnn', 'minicnn direct')

    Raises
    ------
    InputError
        An unknown algorithm.
    """
    from ...conv import algorithms
    one_of("algorithm", algorithm, ("auto", *algorithms()))
    name = "minicnn" if algorithm == "auto" else f"minicnn {algorithm}"
    return Competitor(name, "minicnn", algorithm, found()["minicnn"].module)
