"""Checkpoints: a safetensors file, written atomically, from which a run goes on to the same bits.

The file holds the model's arrays under their own names, as every reader of safetensors expects them, and the arrays of
the optimiser under the prefix "optim.". Everything that is not an array is JSON in the header, under the key "minicnn".
`FORMAT` counts the versions of that JSON; the files of minicnn 0.1 have no number and are of format 1.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from .errors import FileError, InputError, InputTypeError
from .files import write_atomically

__all__ = ["FORMAT", "Checkpoint", "CheckpointError", "load", "load_into", "save"]

FORMAT = 2
PREFIX = "optim."
WRAPPERS = ("module.", "_orig_mod.")              # of PyTorch's DataParallel and torch.compile
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "bool")


class CheckpointError(InputError):
    """A checkpoint that cannot be written, read or used. The message says which file and what to do."""


@dataclass
class Checkpoint:
    """What a checkpoint holds.

    Attributes
    ----------
    model : dict of ndarray
        The state of the model. The arrays belong to the caller, who may change them.
    optimizer : dict or None
        The `optimizer_state` that was saved. A tuple comes back as a list.
    meta : dict
        The `meta` that was saved. It is empty for a file of another program.
    path : Path or None
        The file that it was read from, for error messages.
    """

    model: dict[str, np.ndarray]
    optimizer: dict[str, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None


def save(path: str | Path, model_state: dict[str, np.ndarray], optimizer_state: dict[str, Any] | None = None,
         meta: dict[str, Any] | None = None) -> None:
    """Write a checkpoint. At any moment `path` is either what it was or the whole new file.

    Parameters
    ----------
    path : path
        Its directory must exist.
    model_state : dict of ndarray
        As from `model.state_dict()`, in any memory order and byte order.
    optimizer_state : dict, optional
        Arrays and values that JSON can hold, as from `optimizer.state_dict()`.
    meta : dict, optional
        Values that JSON can hold, and NumPy's scalars. Floats come back exactly, NaN and infinity too: the record of a
        run that diverged is worth keeping. Tuples come back as lists, and the keys of dicts as strings.

    Raises
    ------
    CheckpointError
        The file could not be written. The old file is intact.
    InputError, InputTypeError
        The file cannot hold a value. Nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/a.safetensors", {"weight": np.eye(2)}, meta={"epoch": 3})
    ...     checkpoint = load(folder + "/a.safetensors")
    >>> checkpoint.model["weight"], checkpoint.meta
    (array([[1., 0.],
           [0., 1.]]), {'epoch': 3})
    """
    taken = [name for name in model_state if name.startswith(PREFIX)]
    if taken:
        raise InputError(f"save: the model's {taken[0]!r} begins with {PREFIX!r}, which marks the optimiser's arrays")
    ours: dict[str, Any] = {"format": FORMAT, "meta": meta or {}}
    tensors = dict(model_state)
    if optimizer_state is not None:
        ours["optimizer"] = {}
        for name, value in optimizer_state.items():
            if isinstance(value, np.ndarray):
                tensors[PREFIX + name] = value
            else:
                ours["optimizer"][name] = value
    tensors = {name: _storable(name, array) for name, array in tensors.items()}
    header = {"format": "pt", "minicnn": json.dumps(ours, default=_number)}
    try:
        write_atomically(path, safetensors.numpy.save(tensors, header))
    except FileError as error:
        raise CheckpointError(str(error)) from error.__cause__


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, or a safetensors file of another program.

    PyTorch's wrappers of models put "module." or "_orig_mod." before each name. This prefix is removed, with a warning.
    The metadata of format 1 are returned as those of format 2.

    Parameters
    ----------
    path : path

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        There is no such file, it was cut off, it is of another kind, its metadata are damaged, or a newer version of
        minicnn wrote it.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "there is no such file"
        raise CheckpointError(f"{path}: {what}; give the name of a checkpoint, such as last.safetensors in the "
                              "directory of a run")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: _array(file, name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is no whole safetensors file ({error}): it was cut off, damaged, or is of "
                              "another kind. Take an earlier checkpoint or copy it again; what torch.save wrote must "
                              "be saved with safetensors.torch.save_file instead") from error
    except (OSError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if "minicnn" not in metadata:
        return Checkpoint(_unwrapped(tensors, path), path=path)
    try:
        ours = json.loads(metadata["minicnn"])
        written_as = int(ours.get("format", 1))
        if written_as > FORMAT:
            raise CheckpointError(f"{path}: this checkpoint has format {written_as}; this version of minicnn reads up "
                                  f"to {FORMAT}: install a newer minicnn")
        meta, optimizer = dict(ours["meta"]), dict(ours["optimizer"]) if "optimizer" in ours else None
    except CheckpointError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: its metadata are damaged ({type(error).__name__}: {error}). Take an earlier "
                              "checkpoint") from error
    meta = _from_format_1(meta) if written_as == 1 else meta
    model = {name: array for name, array in tensors.items() if not name.startswith(PREFIX)}
    if optimizer is not None:
        optimizer |= {name.removeprefix(PREFIX): array for name, array in tensors.items() if name not in model}
    return Checkpoint(model, optimizer, meta, path)


def load_into(checkpoint: Checkpoint, model: Any) -> Any:
    """Put the checkpoint's weights into `model`, whose parameters must have the same names and shapes.

    Parameters
    ----------
    checkpoint : Checkpoint
    model : Module
        It is not changed where an error is raised.

    Returns
    -------
    object
        The result of `model.load_state_dict(checkpoint.model, strict=True)`.

    Raises
    ------
    CheckpointError
        The weights are those of another model. The message names those that are missing, those that `model` does not
        have, and those of another shape.
    """
    try:
        return model.load_state_dict(checkpoint.model, strict=True)
    except ValueError as error:
        where = checkpoint.path or "this checkpoint"
        raise CheckpointError(f"{where} is of another model than this {type(model).__name__}: {error}") from error


def _from_format_1(meta):
    """Metadata of format 1 as those of format 2, where the settings are only those of `fit`."""
    settings = meta.get("settings")
    if not isinstance(settings, dict):
        return meta
    moved = {name: settings[name] for name in ("model", "algorithm") if name in settings}
    return {**meta, **moved, "settings": {name: value for name, value in settings.items() if name not in moved}}


def _storable(name, array):
    """The array in C order and the byte order of the machine. safetensors takes both for granted and does not check."""
    if not isinstance(array, np.ndarray):
        raise InputTypeError(f"save: {name} is a {type(array).__name__}, not an array")
    if array.dtype.name not in DTYPES:
        raise InputTypeError(f"save: {name} has dtype {array.dtype}, which a checkpoint does not hold")
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def _number(value):
    if isinstance(value, np.generic):
        return value.item()
    hint = "; use its tolist()" if isinstance(value, np.ndarray) else ""
    raise InputTypeError(f"save: the metadata hold a {type(value).__name__}, which JSON does not{hint}")


def _array(file, name):
    try:
        return file.get_tensor(name)
    except (TypeError, KeyError) as error:        # bfloat16 and smaller
        raise InputTypeError(f"{name} has a dtype that NumPy lacks ({error}); save it as float32") from error


def _unwrapped(tensors, path):
    """The tensors without the prefixes of wrappers that all their names begin with."""
    removed = ""
    while wrapper := next((w for w in WRAPPERS if tensors and all(name.startswith(w) for name in tensors)), ""):
        tensors = {name.removeprefix(wrapper): array for name, array in tensors.items()}
        removed += wrapper
    if removed:
        warnings.warn(f"{path}: took the prefix {removed!r} off each name", UserWarning, stacklevel=3)
    return tensors
