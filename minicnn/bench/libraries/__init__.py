"""Who competes: minicnn's algorithms and the libraries to compare with. A new one is a file and a line here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import InputError


@dataclass(frozen=True)
class Peer:
    """A library that can be measured.

    Attributes
    ----------
    implementation : str
        The module that says how, with a function `load(threads) -> version` and `lenet(variant, problem) -> LeNet`,
        and `layer(variant, geometry, x, weight, grad) -> Layer` if `layers`.
    package, install : str
        What is imported, and what pip calls it.
    variants : dict
        {variant: the name shown} of a training step.
    layers : dict
        The same of a single layer; empty where that is not measured.
    """

    implementation: str
    package: str
    install: str
    variants: dict[str, str]
    layers: dict[str, str]


@dataclass(frozen=True)
class LeNet:
    """A LeNet in some library, on one batch: `step()` -> loss (one step of plain gradient descent), `forward()` ->
    logits (N, 10), `weights()` -> the arrays under minicnn's names in minicnn's shapes."""

    step: Callable
    forward: Callable
    weights: Callable


@dataclass(frozen=True)
class Layer:
    """A convolution layer: `forward()` -> (out, saved), `backward(saved, needs)` -> (grad_input, grad_weight), None
    where not needed, `array(result)` -> ndarray."""

    forward: Callable
    backward: Callable
    array: Callable


@dataclass(frozen=True)
class Competitor:
    """One row of a result: a variant of a library, under the name that is shown."""

    name: str
    library: str
    variant: str
    implementation: str


HERE = __package__
PEERS = {
    "torch": Peer(f"{HERE}.torch", "torch", "torch",
                  {"nchw": "PyTorch", "channels_last": "PyTorch channels_last", "compiled": "PyTorch compiled"},
                  {"nchw": "PyTorch", "channels_last": "PyTorch channels_last"}),
    "tensorflow": Peer(f"{HERE}.tensorflow", "tensorflow", "tensorflow", {"function": "TensorFlow"}, {}),
    "jax": Peer(f"{HERE}.jax", "jax", "jax", {"jit": "JAX"}, {}),
    "mygrad": Peer(f"{HERE}.mygrad", "mygrad", "mygrad", {"eager": "MyGrad"}, {}),
    "textbook": Peer(f"{HERE}.textbook", "numpy", "numpy", {"im2col": "textbook NumPy"}, {}),
}


def is_installed(package) -> bool:
    """Whether it can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def parse_against(text, layers=False) -> list[Competitor]:
    """The competitors that "torch,jax", "all", "installed" or "none" names.

    Parameters
    ----------
    layers : bool
        Of those that measure single layers.

    Raises
    ------
    ValueError
        An unknown name.
    ModuleNotFoundError
        A library that is not installed; "installed" leaves these out.

    Examples
    --------
    >>> [competitor.name for competitor in parse_against("textbook")]
    ['textbook NumPy']
    """
    known = {name: peer for name, peer in PEERS.items() if peer.layers or not layers}
    names = [name.strip() for name in text.split(",")]
    if names == ["none"]:
        return []
    if names == ["installed"]:
        names = [name for name, peer in known.items() if is_installed(peer.package)]
    elif names == ["all"]:
        names = list(known)
    for name in names:
        if name not in known:
            raise InputError(f"--against {name}: choose among {', '.join(known)}, or all, installed or none")
        if not is_installed(known[name].package):
            raise ModuleNotFoundError(f"--against {name}: {known[name].package} is not installed; install it with "
                                      f"`pip install {known[name].install}`, or leave it out (`--against installed` "
                                      "takes what is there)")
    return [Competitor(label, name, variant, known[name].implementation) for name in dict.fromkeys(names)
            for variant, label in (known[name].layers if layers else known[name].variants).items()]


def with_algorithm(algorithm) -> Competitor:
    """minicnn with a convolution algorithm; "auto" is minicnn as it comes.

    >>> with_algorithm("auto").name, with_algorithm("direct").name
    ('minicnn', 'minicnn direct')
    """
    return Competitor("minicnn" if algorithm == "auto" else f"minicnn {algorithm}", "minicnn", algorithm,
                      f"{HERE}.minicnn")


def parse_algorithms(text) -> list[str]:
    """The names in "auto,direct"; an unknown one is a ValueError.

    >>> parse_algorithms("auto, im2col")
    ['auto', 'im2col']
    """
    from ...conv import algorithms
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    known = ["auto", *algorithms()]
    for name in names:
        if name not in known:
            raise InputError(f"--algorithms {name}: choose among {', '.join(known)}")
    return names
