"""State dicts that `torch.save` wrote. PyTorch reads them, with weights_only=True, so that no code in a file is run."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from .tensor_file import CheckpointError

SUFFIXES = (".pt", ".pth")
INSIDE = ("state_dict", "model_state_dict", "model")        # the usual names of the state dict in a larger dict
INSTEAD = "save the weights with torch.save(model.state_dict(), path) or safetensors.torch.save_file"


def is_torch_file(path: str | os.PathLike) -> bool:
    """Whether a file has the name of one that torch.save writes.

    >>> is_torch_file("a.pth"), is_torch_file("a.safetensors")
    (True, False)
    """
    return os.fspath(path).lower().endswith(SUFFIXES)


def read_torch_file(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a file that torch.save wrote: a state dict, or a dict with one under a name of `INSIDE`.

    float16 and bfloat16 become float32.

    Raises
    ------
    CheckpointError
        PyTorch is not installed; the file is damaged, holds objects besides tensors and plain values, or no state dict.
    """
    try:
        import torch
    except ImportError:
        raise CheckpointError(f"{path} is a file of PyTorch, which is not installed: pip install torch, or "
                              "save the weights with safetensors.torch.save_file") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = "holds code or objects, not only weights, and loading it could run this code" \
            if "eights only" in str(error) or "GLOBAL" in str(error) else "is damaged, or was not written by torch.save"
        raise CheckpointError(f"{path} {what}: {INSTEAD}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:                          # of many kinds: EOFError, RuntimeError, KeyError, ...
        first = (str(error).splitlines() or [""])[0][:160]
        raise CheckpointError(f"{path} cannot be read by PyTorch ({type(error).__name__}: {first}): it was cut off, "
                              f"damaged, or is of another kind; {INSTEAD}") from error
    state = _state_in(found, path)
    return {name: _array(name, value, path) for name, value in state.items()}


def _state_in(found, path):
    """The dict of tensors in the contents of a file."""
    import torch
    inside = [key for key in INSIDE if isinstance(found, Mapping) and isinstance(found.get(key), Mapping)]
    if inside:
        warnings.warn(f"{path}: took the weights from its entry {inside[0]!r}", UserWarning, stacklevel=4)
        found = found[inside[0]]
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise CheckpointError(f"{path} holds a {type(found).__name__}, not a dict of tensors by name: {INSTEAD}")
    wrong = [name for name, value in found.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise CheckpointError(f"{path}: {wrong[0][:80]!r} is a {type(found[wrong[0]]).__name__}, not a tensor: "
                              f"{INSTEAD}")
    return found


def _array(name: str, value: Any, path: Any) -> np.ndarray:
    """A tensor as an array of its own memory."""
    import torch
    if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_complex():
        raise CheckpointError(f"{path}: {name[:80]} is a tensor of {value.dtype}, {value.layout}, on {value.device}; "
                              "minicnn takes dense real numbers: convert it before torch.save")
    if value.is_floating_point() and value.dtype != torch.float64:
        value = value.float()
    return np.array(value.detach().resolve_neg().numpy())
