"""Networks that the command line names, and that a checkpoint remembers: those of minicnn, and the user's own.

A network of the user is "path/to/file.py:name" or "package.module:name". The name is that of a subclass of
`minicnn.nn.Module`, or of a function that returns a Module. It is called with those of the arguments `in_channels`,
`num_classes`, `image_size` and `rng` that its signature has.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint import Checkpoint, CheckpointError, load, load_into
from ..checks import is_integer
from ..errors import InputError
from ..nn import Module
from .foreign import factory_errors, refuse_foreign
from .output import note_stderr
from .user_code import load_object, user_errors

LARGEST = 1 << 16                                       # channels, classes, pixels on a side
NETWORK = ("model", "model_file", "model_options")      # the entries of a `description`
GIVEN = ("in_channels", "num_classes", "image_size", "rng")         # arguments that a network may take


def network(text: str) -> str:
    """Type of --model: the name of a network of minicnn, or FILE.py:NAME.

    >>> network("mlp"), network("my.py:Net")
    ('mlp', 'my.py:Net')
    >>> network("vgg")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: must be one of lenet, lenet-average, lenet-blur, lenet-global, mlp, small-resnet; or \
FILE.py:NAME for a network of yours; not 'vgg'
    """
    from ..models import MODELS
    place, colon, name = text.rpartition(":")
    if text in MODELS or colon and place and name.isidentifier():
        return os.path.expanduser(text)
    hint = f" (write {text}:NAME)" if text.endswith(".py") else ""
    raise argparse.ArgumentTypeError(f"must be one of {', '.join(MODELS)}; or FILE.py:NAME for a network of yours; not "
                                     f"{text!r}{hint}")


def description(name: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint remembers of a network, so that `make_network` can make it again.

    Parameters
    ----------
    name : str
        As from `network`.
    sizes : dict
        `in_channels`, `num_classes` and `image_size` (height, width) of the data.
    """
    place = name.rpartition(":")[0]
    file = os.path.abspath(place) if place.endswith(".py") else None
    return {"model": name, "model_file": file, "model_options": sizes}


def sizes_of_data(data: Any) -> dict[str, Any]:
    """The sizes of a Dataset, as arguments of a network."""
    images = data.train_images
    labels = (data.train_labels, data.val_labels, data.test_labels)
    numbers = 1 + max(int(np.max(part, initial=0)) for part in labels if part is not None)
    classes = len(data.class_names) if data.class_names is not None else numbers
    return {"in_channels": 3 if images.ndim == 4 else 1, "num_classes": classes, "image_size": images.shape[1:3]}


def own_object(name: str) -> Any:
    """The object of the user's own that `name` names; None for a network of minicnn.

    The user's file may change the current directory. Afterwards it is the former one: other paths are relative to it.
    """
    if ":" not in name:
        return None
    with contextlib.chdir("."):
        return load_object(name)


def make_network(described: dict[str, Any], rng: np.random.Generator | None = None, where: object = "",
                 instance: bool = True, loaded: Any = None) -> Module:
    """The network that a `description`, or the metadata of a checkpoint, describes.

    Parameters
    ----------
    described : dict
        Without an entry "model" it is the LeNet.
    rng : numpy.random.Generator, optional
        Draws the initial parameters.
    where : path, optional
        The checkpoint, for error messages.
    instance : bool
        Whether the name may be that of a Module that exists already.
    loaded : object, optional
        From `own_object`, if the user's file was read already.

    Raises
    ------
    InputError
        The user's own network cannot be made. The message names the line of the user's file.
    CheckpointError
        The metadata are damaged, name no network that is known, or name a file that is not there.
    """
    from ..models import MODELS, made_for
    name, sizes = described.get("model", "lenet"), remembered_sizes(described, where)
    if isinstance(name, str) and name in MODELS:
        try:
            return made_for(MODELS[name], rng=rng, **sizes)
        except InputError as error:
            raise InputError(f"{f'{where}: ' if where else ''}{name} cannot be made for these data: {error}") from error
    if not isinstance(name, str) or not name.rpartition(":")[0]:
        raise CheckpointError(f"{where}: its model is {repr(name)[:80]}; minicnn knows {', '.join(MODELS)}. Name "
                              "a network of yours by minicnn eval --model FILE.py:NAME. Or make it in Python, load the "
                              "weights with load_state_dict, and use minicnn.training.evaluate")
    place = _found(name, described.get("model_file"), where)
    try:
        return built(own_object(place) if loaded is None else loaded, name, rng, sizes, instance)
    except InputError as error:
        if not where:
            raise
        raise InputError(f"{where}: its network is {name}, but it cannot be made now: {error}") from error


def trained_network(saved: Checkpoint, name: str | None = None) -> tuple[str, Module]:
    """The name of the network of a checkpoint, and the network with these weights.

    Parameters
    ----------
    saved : Checkpoint
    name : str, optional
        As from `network`: the network to which the weights belong, whatever the checkpoint says.

    Raises
    ------
    InputError, CheckpointError
        As by `make_network`, or the weights do not fit.
    """
    described = saved.meta if name is None else description(name, saved.meta.get("model_options", {}))
    model = make_network(described, where=saved.path if name is None else "")
    load_into(saved, model)
    return described.get("model", "lenet"), model


def measured_network(run: str | None, name: str | None) -> tuple[Path | None, str, Module, dict[str, Any]]:
    """The file of weights, the name of the network, the network with these weights, and the metadata of the file.

    Parameters
    ----------
    run : path, optional
        As for `training.weights_file`.
    name : str, optional
        As for `trained_network`. Without `run` it may name a Module of the user's, which is measured as it is: then
        there is no file, and the metadata are empty.
    """
    if run is None and name is not None and ":" in name:
        value = own_object(name)
        if not isinstance(value, Module):
            refuse_foreign(value, name)
            raise InputError(f"--model {name}: a network that is made now is not trained: name the run with its "
                             "weights too, or a Module that exists already")
        return None, name, value, {}
    saved = load_weights(run)
    return saved.path, *trained_network(saved, name), saved.meta


def load_weights(run: str | Path | None) -> Checkpoint:
    """The checkpoint of the best weights of a run, or of a file; without `run`, that of the weights in the package.

    Raises
    ------
    CheckpointError
        There is no such directory or file, the directory is not that of a run, or the file is damaged.
    """
    from ..training import weights_file
    path = weights_file(run)
    if run is not None and _lacks(run):
        raise CheckpointError(f"{run}: there is no such file or directory; give the directory of a run, such as "
                              "runs/mnist-seed1, or a file of weights")
    if run is not None and os.path.isdir(run) and _lacks(path):
        raise CheckpointError(f"{run} is not the directory of a run with weights: it has no {path.name}; give the "
                              "directory of a run, such as runs/mnist-seed1, or a file of weights")
    return load(path)


def _lacks(path):
    """Whether there is certainly no such file: without a permission nobody knows."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def remembered_name(saved: Checkpoint) -> str:
    """The name of the network of a checkpoint, as --model takes it. The LeNet if the checkpoint names none."""
    from ..models import MODELS
    name = saved.meta.get("model", "lenet")
    if not isinstance(name, str) or name not in MODELS and not name.rpartition(":")[0]:
        raise CheckpointError(f"{saved.path}: its model is {repr(name)[:80]}, which minicnn does not know: name its "
                              "network by --model")
    return _found(name, saved.meta.get("model_file"), saved.path)


def built(value: Any, name: str, rng: np.random.Generator | None, sizes: dict[str, Any],
          instance: bool = True) -> Module:
    """The Module of an object of the user's own, which `name` names: a class, a function, or the Module itself."""
    if isinstance(value, Module):
        if not instance:
            raise InputError(f"{name} is a network that exists already, so that --seed could not draw its weights: "
                             "name its class, or a function that returns it")
        return value
    refuse_foreign(value, name)
    if isinstance(value, type) and not issubclass(value, Module) or not callable(value):
        what = f"a class ({_kind(value)})" if isinstance(value, type) else f"of type {_kind(type(value))}"
        raise InputError(f"{name} is {what}; name a subclass of minicnn.nn.Module, or a function that returns a Module")
    if lacking := [one for one in _needed(value) if one not in GIVEN]:
        raise InputError(f"{name} needs the argument {lacking[0]!r}, but minicnn gives only {', '.join(GIVEN)}: give "
                         "it a default value, or write a function that makes the network")
    if unknown := [one for one in _needed(value) if one not in (*sizes, "rng")]:
        raise InputError(f"{name} needs the argument {unknown[0]!r}, which the file of weights does not say: give it a "
                         "default value, or write a function that makes the network")
    made = _made(value, name, rng, sizes)
    if not isinstance(made, Module):
        refuse_foreign(made, name, "returned")
        raise InputError(f"{name} returned an object of type {_kind(type(made))}, not a minicnn.nn.Module")
    return made


def _made(value, name, rng, sizes):
    """What a class or function of the user's own makes."""
    from ..models import made_for
    with factory_errors(value, name), user_errors(name), contextlib.chdir("."):
        return made_for(value, rng=rng, **sizes)


def made_operator(value: Any, name: str, rng: np.random.Generator, sizes: dict[str, Any], quiet: bool = False) -> Any:
    """The Module that a function without arguments makes, of minicnn or of another library; else the result of `built`.

    Of a Module of another library a line on stderr says so.
    """
    if not inspect.isfunction(value) or inspect.signature(value).parameters:
        return built(value, name, rng, sizes)
    made = _made(value, name, rng, sizes)
    if isinstance(made, Module) or not callable(made) or not callable(getattr(made, "eval", None)):
        return built(lambda: made, name, rng, sizes)        # which refuses it in words
    note_stderr(f"{name} makes a Module, of the class {_kind(type(made))}: what it returned is taken", quiet)
    return made


def makes_a_network(value: Any) -> bool:
    """Whether an object is a Module class, or a function that can make a network, and is no operator on images.

    Such a function has no argument, or one of those that minicnn gives; all others have a default value.

    >>> makes_a_network(lambda in_channels, width=3: None), makes_a_network(lambda image: None)
    (True, False)
    """
    if isinstance(value, type):
        return issubclass(value, Module)
    if not inspect.isfunction(value):
        return False
    named = inspect.signature(value).parameters
    return (not named or any(name in GIVEN for name in named)) and all(name in GIVEN for name in _needed(value))


def check_output(model: Module, name: str, sizes: dict[str, Any]) -> None:
    """Raise InputError if the network does not return one number for each class. Only shapes are computed."""
    from ..functional.convolution import shapes_only
    from ..grad_mode import no_grad
    from ..nn.calls import evaluating
    from ..tensor import Tensor
    from ..training.evaluation import classes_of
    from ..training.start import untouched
    images = Tensor(np.zeros((2, sizes["in_channels"], *sizes["image_size"]), np.float32))
    with untouched(model), no_grad(), shapes_only(), evaluating(model), np.errstate(all="ignore"):
        with user_errors(name, f"pictures of shape {images.shape}"):
            out = model(images)
        classes = classes_of(model, out, 2)
    if classes != sizes["num_classes"]:
        raise InputError(f"{name} returns {classes} numbers for a picture, but the data have {sizes['num_classes']} "
                         f"classes: give its last layer {sizes['num_classes']} outputs. An argument `num_classes` of "
                         "the network gets this number")


def _found(name, file, where):
    """The name with a path at which the file is now: where it was, or below the current directory."""
    place, _, attribute = name.rpartition(":")
    if not place.endswith(".py"):
        return name
    if not where:
        return name                                     # the user has just written it
    for path in (file, os.path.expanduser(place)):
        if isinstance(path, str) and os.path.isfile(path):
            return f"{path}:{attribute}"
    tried = file if isinstance(file, str) else place
    raise CheckpointError(f"{where}: its network is {name}, but there is no file {tried}: put the file back, or go to "
                          "the directory that it is in now")


def remembered_sizes(described: dict[str, Any], where: object) -> dict[str, Any]:
    """The sizes in a `description`, or in the metadata of a checkpoint. CheckpointError if they are damaged."""
    given = described.get("model_options", {})
    good = lambda n: is_integer(n) and 1 <= n <= LARGEST
    if isinstance(given, dict) and all(good(given.get(name, 1)) for name in ("in_channels", "num_classes")):
        size = given.get("image_size", (1, 1))
        if isinstance(size, (list, tuple)) and len(size) == 2 and all(map(good, size)):
            return {name: tuple(given[name]) if name == "image_size" else given[name] for name in GIVEN
                    if name in given}
    raise CheckpointError(f"{where}: its metadata are damaged: the sizes of its network are {repr(given)[:80]}. Take "
                          "an earlier checkpoint")


def _needed(factory):
    """The arguments without a default value."""
    try:
        named = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):                     # of a class in C, or of an odd callable
        return []
    return [one.name for one in named if one.default is one.empty
            and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _kind(kind):
    """The name of a class, with its module if that is not Python's own."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
