"""Checkpoints: safetensors files, written atomically. A run that resumes from one computes the same bits.

The file has the model's arrays under their own names, so every reader of safetensors can use them. The optimiser's
arrays have the prefix "optim.". All other values are JSON in the header, under the key "minicnn". `FORMAT` is the
version of this JSON. Files of minicnn 0.1 have no version number; their format is 1.

Every file has a checksum of all its bytes, so that `load` finds any flipped bit. A file of another program has none;
`load` reads it and logs that damage could not be seen.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..files import as_path
from .tensor_file import CHECKED, CODES, METADATA, CheckpointError, parsed, read, write
from .torch_file import is_torch_file, read_torch_file

__all__ = ["FORMAT", "Checkpoint", "CheckpointError", "load", "load_into", "save"]

LOG = logging.getLogger("minicnn")
FORMAT = 2
PREFIX = "optim."
WRAPPERS = ("module.", "_orig_mod.")              # of PyTorch's DataParallel and torch.compile

@dataclass
class Checkpoint:
    """The contents of a checkpoint.

    Attributes
    ----------
    model : dict of ndarray
        The state of the model. The caller may change the arrays.
    optimizer : dict or None
        The saved `optimizer_state`. Tuples have become lists.
    meta : dict
        The saved `meta`. It is empty for a file of another program.
    path : Path or None
        The file, for error messages.
    """

    model: dict[str, np.ndarray]
    optimizer: dict[str, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None


def save(path: str | Path, model_state: dict[str, np.ndarray], optimizer_state: dict[str, Any] | None = None,
         meta: dict[str, Any] | None = None) -> None:
    """Write a checkpoint. At any moment `path` is either the old file or the whole new file.

    Parameters
    ----------
    path : path
        Its directory must exist.
    model_state : dict of ndarray
        As from `model.state_dict()`. Memory order and byte order do not matter.
    optimizer_state : dict, optional
        Arrays and values that JSON can store, as from `optimizer.state_dict()`.
    meta : dict, optional
        Values that JSON can store, and NumPy's scalars. `load` returns floats exactly, also NaN and infinity, because
        the record of a run that diverged is useful. Tuples become lists, and the keys of dicts become strings.

    Raises
    ------
    CheckpointError
        The file could not be written. The old file is unchanged.
    InputError, InputTypeError
        A checkpoint cannot store a value. Nothing is written.

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
    names = [*model_state, *(optimizer_state or {})]
    if wrong := [name for name in names if not isinstance(name, str) or name == METADATA or not _is_unicode(name)]:
        raise InputError(f"save: an array or value has the name {wrong[0]!r}; give it another text as its name")
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
    text = _as_json(ours)
    write(path, tensors, {"format": "pt", "minicnn": text})


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, a safetensors file of another program, or a state dict that torch.save wrote (.pt, .pth).

    PyTorch must be installed for the last. A file with code in it is refused. float16 and bfloat16 of other programs
    become float32. PyTorch's wrappers of models put "module." or "_orig_mod." before each name. `load` removes this
    prefix and warns. It converts the metadata of format 1 to format 2. It logs a warning (logger "minicnn") if a weight
    is NaN or infinite, and if the file has no checksum.

    Parameters
    ----------
    path : path

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        The file does not exist, is cut off, is damaged, is of another kind, or comes from a newer version of minicnn.
    """
    path = as_path(path)
    if not _is_there(path) or os.path.isdir(path):
        what = "is a directory" if os.path.isdir(path) else "there is no such file"
        raise CheckpointError(f"{path}: {what}; give the name of a checkpoint, such as last.safetensors in the "
                              "directory of a run")
    if is_torch_file(path):
        return Checkpoint(_finite(_unwrapped(read_torch_file(path), path), path), path=path)
    if os.fspath(path).lower().endswith(".onnx"):
        raise CheckpointError(f"{path} is an ONNX model, not a checkpoint; load it by minicnn.interop.from_onnx, or "
                              f"judge it by minicnn verify {shlex.quote(str(path))}")
    tensors, metadata = read(path)
    if CHECKED[0] not in metadata:
        LOG.warning(f"{path} has no checksum of minicnn: damage to its numbers would not be seen")
    if "minicnn" not in metadata:
        wide = {name: array.astype(np.float32) if array.dtype == np.float16 else array
                for name, array in tensors.items()}
        return Checkpoint(_finite(_unwrapped(wide, path), path), path=path)
    try:
        ours = parsed(metadata["minicnn"])
        written_as = ours.get("format", 1)
        if not isinstance(written_as, int) or isinstance(written_as, bool) or written_as < 1:
            raise ValueError(f"the format is {str(written_as)[:80]}")
        if written_as > FORMAT:
            raise CheckpointError(f"{path}: this checkpoint has format {written_as}; this version of minicnn reads up "
                                  f"to {FORMAT}: install a newer minicnn")
        meta, optimizer = _dict(ours, "meta"), _dict(ours, "optimizer") if "optimizer" in ours else None
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"{path}: its metadata are damaged ({error}). Take an earlier checkpoint") from error
    meta = _from_format_1(meta) if written_as == 1 else meta
    model = {name: array for name, array in tensors.items() if not name.startswith(PREFIX)}
    if optimizer is not None:
        optimizer |= {name.removeprefix(PREFIX): array for name, array in tensors.items() if name not in model}
    return Checkpoint(_finite(model, path), optimizer, meta, path)


def _is_there(path):
    """Whether there is such a file, or nobody knows because a directory may not be searched."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):                 # no such file, a name that is too long, a null byte
        return False
    return True


def load_into(checkpoint: Checkpoint, model: Any) -> Any:
    """Put the checkpoint's weights into `model`. Its parameters must have the same names and shapes.

    PyTorch's wrappers of a part of a model put "module" or "_orig_mod" into its names, as in encoder.module.0.weight.
    If `model` does not have such a name, but the name without them, the array gets this one, and a warning says so.

    Parameters
    ----------
    checkpoint : Checkpoint
    model : Module
        After an error it is unchanged.

    Returns
    -------
    object
        The result of `model.load_state_dict(state, strict=True)`; `state` is `checkpoint.model` with these names.

    Raises
    ------
    CheckpointError
        The weights are those of another model. The message lists the missing weights, those that `model` does not have,
        and those of another shape or kind of dtype, such as the integers of a quantised file.
    InputTypeError
        `checkpoint` is no Checkpoint, or `model` no Module.
    """
    if not isinstance(checkpoint, Checkpoint):
        raise InputTypeError(f"load_into: a Checkpoint from load is needed, not a {type(checkpoint).__name__}")
    if not callable(getattr(model, "load_state_dict", None)):
        raise InputTypeError(f"load_into: the model must be a Module, not a {type(model).__name__}")
    where = checkpoint.path or "this checkpoint"
    own: dict[str, np.ndarray] = getattr(model, "state_dict", dict)()
    arrays = _without_wrappers(checkpoint.model, own, where)
    for name, array in arrays.items():
        if name in own and own[name].dtype.kind == "f" and array.dtype.kind != "f":
            raise CheckpointError(f"{where}: {name} is {array.dtype}, but the {type(model).__name__} has "
                                  f"{own[name].dtype}: the file is quantised, or of another model. Save floating-point "
                                  "weights")
    try:
        return model.load_state_dict(arrays, strict=True)
    except ValueError as error:
        raise CheckpointError(f"{where} is of another model than this {type(model).__name__}: {error}") from error


def _from_format_1(meta):
    """Metadata of format 1 in format 2. In format 2 the settings are only those of `fit`."""
    settings = meta.get("settings")
    if not isinstance(settings, dict):
        return meta
    moved = {name: settings[name] for name in ("model", "algorithm") if name in settings}
    return {**meta, **moved, "settings": {name: value for name, value in settings.items() if name not in moved}}


def _storable(name, array):
    """The array, if a file can store it."""
    if not isinstance(array, np.ndarray):
        raise InputTypeError(f"save: {name} is a {type(array).__name__}, not an array")
    if array.dtype.name not in CODES:
        raise InputTypeError(f"save: {name} has dtype {array.dtype}, which a checkpoint cannot store")
    return array


def _is_unicode(text):
    """Whether a text can be encoded: it has no half of a surrogate pair, as names of files may have."""
    return text == text.encode(errors="ignore").decode()


def _as_json(ours):
    """The text from which `load` gets these values. InputError if there is none."""
    try:
        text = json.dumps(ours, default=_number)
        parsed(text)
    except InputTypeError:
        raise
    except (ValueError, RecursionError) as error:         # a circle; too deep; keys that differ only in their type
        raise InputError(f"save: the metadata cannot be stored as JSON: {error}") from None
    except TypeError as error:
        raise InputTypeError(f"save: the metadata cannot be stored as JSON: {error}") from None
    return text


def _number(value):
    if isinstance(value, np.generic):
        return value.item()
    hint = "; use its tolist()" if isinstance(value, np.ndarray) else ""
    raise InputTypeError(f"save: the metadata hold a {type(value).__name__}, which JSON does not{hint}")


def _dict(ours, name):
    if not isinstance(ours.get(name), dict):
        raise ValueError(f"{name!r} is not a dict")
    return ours[name]


def _finite(model, path):
    """The arrays of a model. Logs if numbers are not finite."""
    for name, array in model.items():
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            LOG.warning(f"{path}: {name} has NaN or infinity in {array.size - np.count_nonzero(finite):,} of "
                        f"{array.size:,} numbers")
    return model


def _unwrapped(tensors, path):
    """Remove the prefix of a wrapper if all names begin with it."""
    removed = ""
    while wrapper := next((w for w in WRAPPERS if tensors and all(name.startswith(w) for name in tensors)), ""):
        tensors = {name.removeprefix(wrapper): array for name, array in tensors.items()}
        removed += wrapper
    if removed:
        warnings.warn(f"{path}: took the prefix {removed!r} off each name", UserWarning, stacklevel=3)
    return tensors


def _without_wrappers(arrays, own, where):
    """The arrays, those that the model does not have under the model's own names: without the parts of wrappers."""
    bare = lambda name: ".".join(part for part in name.split(".") if f"{part}." not in WRAPPERS)
    names = {bare(name): name for name in own}
    found = {name if name in own else names.get(bare(name), bare(name)): array for name, array in arrays.items()}
    changed = [name for name in arrays if name not in found]
    if not changed or len(found) != len(arrays) or not any(name in own for name in found if name not in arrays):
        return arrays
    warnings.warn(f"{where}: took {' and '.join(map(repr, WRAPPERS))} out of {len(changed)} names, such as "
                  f"{changed[0]!r}", UserWarning, stacklevel=3)
    return found
