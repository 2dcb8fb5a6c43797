"""Checkpoints: a safetensors file, written atomically, from which a run goes on to the same bits.

The model's arrays stand in it under their own names, so that every reader of safetensors finds them; the optimiser's
under the prefix "optim."; everything that is no array is JSON in the header, under the key "minicnn".
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from .errors import InputError, InputTypeError

__all__ = ["Checkpoint", "CheckpointError", "load", "load_into", "save", "write_atomically"]

PREFIX = "optim."
WRAPPERS = ("module.", "_orig_mod.")              # of PyTorch's DataParallel and torch.compile
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "bool")
ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.ENOENT: "its directory does not exist; create it first",
    errno.EACCES: "no permission; choose another directory",
    errno.EROFS: "the file system is read-only; choose another directory",
    errno.EISDIR: "that is a directory; give the name of a file in it",
}


class CheckpointError(InputError):
    """A checkpoint that cannot be written, read or used; the message says which file and what to do."""


@dataclass
class Checkpoint:
    """What a checkpoint holds.

    Attributes
    ----------
    model : dict of ndarray
        The model's state; the arrays are the caller's own.
    optimizer : dict or None
        What was saved as optimizer_state; a tuple comes back as a list.
    meta : dict
        What was saved as meta; empty for a file of another program.
    path : Path or None
        Where it was read, for error messages.
    """

    model: dict
    optimizer: dict | None = None
    meta: dict = field(default_factory=dict)
    path: Path | None = None


def save(path, model_state, optimizer_state=None, meta=None):
    """Write a checkpoint so that at any moment `path` is either what it was or the whole new file.

    Parameters
    ----------
    path : path
        Its directory must exist.
    model_state : dict of ndarray
        As from `model.state_dict()`; any memory and byte order.
    optimizer_state : dict, optional
        Arrays, and whatever JSON can hold, as from `optimizer.state_dict()`.
    meta : dict, optional
        Whatever JSON can hold, and NumPy's scalars. Floats come back exactly, NaN and infinities too (a record of a
        run that diverged is worth keeping); tuples come back as lists, the keys of dicts as strings.

    Raises
    ------
    CheckpointError
        The file could not be written; its __cause__ is the OSError. The old one is intact.
    TypeError, ValueError
        Something that the file cannot hold. Nothing is written.

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
    ours, tensors = {"meta": meta or {}}, dict(model_state)
    if optimizer_state is not None:
        ours["optimizer"] = {}
        for name, value in optimizer_state.items():
            if isinstance(value, np.ndarray):
                tensors[PREFIX + name] = value
            else:
                ours["optimizer"][name] = value
    tensors = {name: _storable(name, array) for name, array in tensors.items()}
    header = {"format": "pt", "minicnn": json.dumps(ours, default=_number)}
    write_atomically(path, safetensors.numpy.save(tensors, header))


def load(path):
    """Read a checkpoint, or a safetensors file of another program.

    Where each name in a file of another program begins with "module." or "_orig_mod.", which PyTorch's wrappers of
    models add, that is taken away with a warning.

    Parameters
    ----------
    path : path

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        There is no such file, it was cut off, it is of another kind, or its metadata are damaged.
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
        meta, optimizer = dict(ours["meta"]), dict(ours["optimizer"]) if "optimizer" in ours else None
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: its metadata are damaged ({type(error).__name__}: {error}). Take an earlier "
                              "checkpoint") from error
    model = {name: array for name, array in tensors.items() if not name.startswith(PREFIX)}
    if optimizer is not None:
        optimizer |= {name.removeprefix(PREFIX): array for name, array in tensors.items() if name not in model}
    return Checkpoint(model, optimizer, meta, path)


def load_into(checkpoint, model):
    """Put the checkpoint's weights into `model`, whose parameters must have the same names and shapes.

    Returns what `model.load_state_dict(checkpoint.model, strict=True)` returns.

    Raises
    ------
    CheckpointError
        It is of another model: what is missing, what is too much and what has another shape.
    """
    try:
        return model.load_state_dict(checkpoint.model, strict=True)
    except ValueError as error:
        where = checkpoint.path or "this checkpoint"
        raise CheckpointError(f"{where} is of another model than this {type(model).__name__}: {error}") from error


def write_atomically(path, data):
    """Write `data` (bytes) to the file `path` so that at any moment either the old or the new one is there, whole.

    It goes to a temporary file beside it first, which takes the name when all of it is on the disk.

    Raises
    ------
    CheckpointError
        It could not be written. The temporary file is gone and the old one intact.
    """
    target = Path(path).resolve()                 # where `path` is a link, the file that it points to
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:                # Ctrl-C too
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        advice = ADVICE.get(error.errno, error.strerror or str(error))
        raise CheckpointError(f"{path} could not be written ({len(data):,} bytes): {advice}. What was there before is "
                              "as it was.") from error


def _storable(name, array):
    """The array as safetensors takes it for granted without looking: C order, the machine's byte order."""
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
    """The tensors without the wrappers' prefixes that all names begin with."""
    removed = ""
    while wrapper := next((w for w in WRAPPERS if tensors and all(name.startswith(w) for name in tensors)), ""):
        tensors = {name.removeprefix(wrapper): array for name, array in tensors.items()}
        removed += wrapper
    if removed:
        warnings.warn(f"{path}: took the prefix {removed!r} off each name", UserWarning, stacklevel=3)
    return tensors
