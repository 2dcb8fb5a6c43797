"""The network that `explore` and `animate` show, and the pictures that move: digits, or those of its own data."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from ..checkpoint import Checkpoint, CheckpointError, load_into
from ..errors import InputError
from .data_choice import OWN, classes_of, load_again, rules_of
from .networks import load_weights, remembered_sizes, trained_network
from .options import commas, given_path
from .output import note_stderr

DIGITS = {"in_channels": 1, "num_classes": 10, "image_size": (28, 28)}
OF_OWN = ("classes", "data", "data_dir")            # options for other networks than those for digits


class Shown(NamedTuple):
    """What a command shows."""

    path: Any                                       # of the weights
    model: Any                                      # LeNet; for the page any Module
    pictures: Any                                   # Pictures; None: the LeNet is one for MNIST's digits


def add_weights(command: Any, network: str) -> None:
    """Add --weights, and the options for a network of other pictures. `network` is the network that is needed."""
    from ..moving_digit.pictures import MOST
    option = command.add_argument
    option("--weights", type=given_path, metavar="RUN",
           help=f"weights of {network}: a .safetensors or .pt file, or the directory of a run (default: the weights in "
                "the package). If it was trained on your own pictures, these move: the first validation picture of "
                "each class")
    option("--classes", type=commas(str, "cat,dog", repeats=False), metavar="C,C",
           help=f"with the --weights of your own pictures: names or numbers of classes, at most {MOST} (default: the "
                f"first {MOST})")
    option("--data-dir", type=given_path, metavar="FOLDER", help="the place of these pictures, if they have moved")
    option("--data", type=given_path, metavar="PATH", help="the same, for arrays and files of datasets")
    command.refuse(*OF_OWN, unless="weights", because="the weights in the package are those for MNIST's digits")
    command.refuse("data", when="data_dir")


def shown_network(arguments: argparse.Namespace, shown: str, algorithm: str, page: bool = False) -> Shown:
    """The network of --weights, and the pictures of its validation part.

    Parameters
    ----------
    arguments : Namespace
        weights, classes, data, data_dir, digits, quiet.
    shown : str
        What shows it: "the page", "the picture".
    algorithm : str
        Of the convolutions.
    page : bool
        Whether the network must take 28x28 pixels, and may be any that `moving_digit.chain` knows, instead of a LeNet.

    Raises
    ------
    CheckpointError
        The checkpoint is of another network, or does not say on which data it was trained.
    InputError
        The data are not there, a class has no picture, or options have no effect.
    """
    from ..data import Rules
    from ..data.rules import in_pixels
    saved = load_weights(arguments.weights)
    path = saved.path
    name, rules = saved.meta.get("model", "lenet"), rules_of(saved.meta, path)
    sizes = {**DIGITS, "in_channels": rules.channels}
    if page or str(name).startswith("lenet"):
        sizes |= remembered_sizes(saved.meta, path)
    if page and sizes["image_size"] != DIGITS["image_size"]:
        raise CheckpointError(f"{path} is of a network for {in_pixels(sizes['image_size'])}; the maps of "
                              f"{shown} are those of 28x28 pixels: train one with --image-size 28, or see minicnn "
                              "animate, which takes every size")
    model = _lenet(saved, sizes, shown, algorithm) if not page or name == "lenet" else _any_network(
        saved, name, algorithm, rules.channels)
    if sizes == DIGITS and (rules.mean, rules.std) == (Rules().mean, Rules().std):
        if given := [one for one in OF_OWN if getattr(arguments, one) is not None]:
            raise InputError(f"--{given[0].replace('_', '-')} has no effect: {path} is of a LeNet for grey digits in "
                             "ten classes, and MNIST's digits move. Name them by --digits")
        return Shown(path, model, None)
    if arguments.digits is not None:
        raise InputError(f"--digits has no effect: {path} is of a LeNet for other pictures than MNIST's digits. Name "
                         "its classes by --classes")
    return Shown(path, model, _own_pictures(saved, arguments, rules, sizes["num_classes"]))


def _lenet(saved, sizes, shown, algorithm):
    """The LeNet of a checkpoint."""
    from ..models import LeNet
    try:
        model = LeNet(algorithm=algorithm, **sizes).eval()
        load_into(saved, model)
    except CheckpointError:
        if "model" not in saved.meta:
            raise
        raise CheckpointError(f"{saved.path} is of the model {saved.meta['model']}; {shown} shows a LeNet: give "
                              "weights that minicnn train --model lenet made") from None
    return model


def _any_network(saved, name, algorithm, channels):
    """The network of a checkpoint, whose convolutions use this algorithm, if the page can show it."""
    from ..moving_digit.chain import chain_of
    from ..nn.calls import convolutions
    _, model = trained_network(saved)
    for _, conv in convolutions(model):
        conv.algorithm = algorithm
    try:
        chain_of(model, channels)
    except InputError as error:
        raise CheckpointError(f"{saved.path} is of the model {name}, which the page cannot show: {error}") from error
    return model.eval()


def moved_pictures(pictures: Any, count: int | None = None) -> dict[str, Any]:
    """What is told of the first `count` pictures in a result: the data, the classes, and which images they are."""
    return {"data": pictures.data, "classes": pictures.names[:count], "indices": pictures.indices[:count]}


def _own_pictures(saved: Checkpoint, arguments: argparse.Namespace, rules: Any, count: int) -> Any:
    """The Pictures of the classes that are named, or of the first ones. A note says which, if there are more."""
    from dataclasses import replace

    from ..moving_digit import Pictures
    if saved.meta.get(OWN) is None and not isinstance(saved.meta.get("dataset"), str):
        raise CheckpointError(f"{saved.path} is of a LeNet for other pictures than MNIST's digits, and does not say on "
                              "which data it was trained, so that no picture is known: give the directory of a run "
                              "that minicnn train made")
    data = load_again(saved, arguments.data, arguments.data_dir, arguments.quiet)
    names = classes_of(saved.meta, saved.path) or data.class_names or tuple(map(str, range(count)))
    if len(names) != count:
        raise InputError(f"{saved.path}: its network has {count} classes, but {len(names)} are named: name the data of "
                         "its training")
    chosen = None if arguments.classes is None else [_number(one, names) for one in arguments.classes]
    pictures = Pictures.of(replace(data, class_names=names), chosen, rules)
    if chosen is None and len(pictures.labels) < count:
        note_stderr(f"{len(pictures.labels)} of {count} classes are shown: {', '.join(pictures.names)}. --classes "
                    "names others")
    return pictures


def _number(text: str, names: tuple[str, ...]) -> int:
    """The number of a class that the user names.

    >>> _number("dog", ("cat", "dog")), _number("0", ("cat", "dog"))
    (1, 0)
    """
    if text in names:
        return names.index(text)
    if text.isascii() and text.isdigit() and int(text) < len(names):
        return int(text)
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise InputError(f"--classes: the network has no class {text!r}: choose among {known}; or give numbers from 0 to "
                     f"{len(names) - 1}")
