"""The checks of `fit` before its first step: all that would stop the training later, when epochs would be lost."""

from __future__ import annotations

import contextlib
import copy
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import checkpoint
from .. import functional as F
from ..autograd import no_grad
from ..checkpoint import Checkpoint, CheckpointError
from ..data import DataLoader, Rules
from ..errors import InputError, InputTypeError
from ..functional.convolution import shapes_only
from ..nn import Module
from ..nn.calls import evaluating
from ..progress import check_progress
from ..tensor import Tensor
from .directory import LAST
from .evaluation import EVALUATED, check_labels, classes_of
from .settings import Settings

DATA = ("name", "train_images", "train_labels", "val_images", "val_labels")
OWN_META = ("settings", "dataset", "class_names", "rules", "data_checksum", "epoch", "batch", "sums", "history",
            "best", "schedule", "generators")


def check_arguments(model: Any, data: Any, settings: Any, out: Any, resume: Any, progress: Any,
                    extra_meta: Any) -> None:
    """Raise InputTypeError if an argument of `fit` has the wrong type."""
    if not isinstance(model, Module):
        what = f"the class {model.__name__}; give an instance" if isinstance(model, type) else \
            f"a {type(model).__name__}; give a minicnn.nn.Module"
        raise InputTypeError(f"fit: the model is {what}")
    if lacking := [name for name in DATA if not hasattr(data, name)]:
        raise InputTypeError(f"fit: the data are a {type(data).__name__} without {', '.join(lacking)}; give a "
                             "minicnn.data.Dataset")
    for name, value, kind, hint in (
            ("settings", settings, Settings, "Settings(epochs=3)"), ("out", out, (str, os.PathLike), "the path of a "
             "directory"), ("resume", resume, Checkpoint, "minicnn.checkpoint.load('run/last.safetensors')"),
            ("extra_meta", extra_meta, dict, "a dict")):
        if value is not None and not isinstance(value, kind):
            raise InputTypeError(f"fit: {name} must be {hint}, not {value!r}")
    check_progress("fit", progress)
    if out is not None and not os.fspath(out):
        raise InputError("fit: out is an empty path; name a directory, or leave out=None to save nothing")
    if taken := [name for name in OWN_META if name in (extra_meta or {})]:
        raise InputError(f"fit: extra_meta must not have {', '.join(taken)}: fit itself records that")


def check_model_on_data(model: Module, data: Any, loader: DataLoader, fresh: bool = True,
                        shard: tuple[int, int] = (0, 1)) -> None:
    """Raise InputError if the model cannot be trained, or does not fit the data.

    Parameters
    ----------
    model : Module
        It runs twice, but for convolutions only the shapes are computed. Afterwards it is as before.
    data : Dataset
    loader : DataLoader
        Of the training images, as `fit` uses it. The model runs in training mode on the last batch, the smallest one.
    fresh : bool
        Whether the model's weights are used, so that they must be finite.
    shard : (int, int)
        The part of each batch that the model gets: see `DataLoader.batches`.
    """
    parameters = dict(model.named_parameters())
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise InputError(f"fit: {type(model).__name__} has no parameters" +
                         " that require a gradient" * bool(parameters))
    if fresh:
        check_finite(f"fit: {type(model).__name__}", {name: one.data for name, one in parameters.items()})
    images, labels = list(loader.batches(len(loader) - 1, shard))[0]
    with untouched(model), no_grad(), shapes_only(), np.errstate(over="ignore", invalid="ignore"):
        model.train()
        out = model(Tensor(images))
        classes = classes_of(model, out, len(images))
        check_labels("the training labels", loader.labels, classes)
        _check_names(model, getattr(data, "class_names", None), classes)
        F.cross_entropy(out, labels)
    check_part(model, "validation", data.val_images, data.val_labels, getattr(data, "rules", None))


def _check_names(model, names, classes):
    if names is not None and len(names) != classes:
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise InputError(f"the data have {len(names)} class{'es' * (len(names) != 1)} ({some}), but "
                         f"{type(model).__name__} returns {classes}: make the model with {len(names)} outputs")


def check_part(model: Module, part: str, images: Any, labels: Any, rules: Rules | None = None) -> None:
    """Raise InputError if `evaluate` would refuse these images or labels. `part` names them: "validation", "test"."""
    try:
        loader = DataLoader(images, labels, EVALUATED, rules=rules)
    except InputError as error:
        raise InputError(f"the {part} images: {error}") from error
    x, _ = list(loader.batches(len(loader) - 1))[0]
    with untouched(model), no_grad(), shapes_only(), evaluating(model), np.errstate(over="ignore", invalid="ignore"):
        classes = classes_of(model, model(Tensor(x)), len(x))
    check_labels(f"the {part} labels", loader.labels, classes)


def check_finite(owner: str, arrays: dict[str, np.ndarray]) -> None:
    """Raise InputError if one of the arrays has NaN or infinity."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            wrong = int(np.count_nonzero(~np.isfinite(array)))
            raise InputError(f"{owner}: {name} has NaN or infinity in {wrong} of {array.size} numbers: training cannot "
                             "start from it. Make the model again, or load other weights")


def check_storable(out: Path, model_state: dict, optimizer_state: dict | None, meta: dict) -> None:
    """Raise CheckpointError or InputTypeError if the state of a run cannot be saved in `out`. It is saved once."""
    trial = out / f".minicnn-{secrets.token_hex(8)}.safetensors"
    try:
        checkpoint.save(trial, model_state, optimizer_state, meta)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(trial.name, LAST)) from error
    finally:
        trial.unlink(missing_ok=True)


@contextlib.contextmanager
def untouched(model: Module) -> Iterator[None]:
    """Context manager: afterwards the modules have their attributes, arrays and random generators of before."""
    kept: list[tuple[Any, Any]] = []
    for _, module in model.named_modules():
        for _, value in module._members():
            if isinstance(value, np.ndarray):
                kept.append((value, value.copy()))
            elif isinstance(value, np.random.Generator):
                kept.append((value, copy.deepcopy(value.bit_generator.state)))
        kept.append((module, dict(vars(module))))
    try:
        yield
    finally:
        for owner, before in kept:
            if isinstance(owner, Module):
                vars(owner).clear()
                vars(owner).update(before)
            elif isinstance(owner, np.ndarray):
                if owner.flags.writeable:
                    owner[...] = before
            else:
                owner.bit_generator.state = before
