"""Load arrays into the parameters and buffers of a module: all of them, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..checks import unmasked, why_not_stored
from ..errors import InputError, InputTypeError
from ..tensor import Tensor


def load_arrays(own: dict[str, np.ndarray], state: Mapping[str, Any], strict: bool, title: str,
                ignored: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Copy the arrays of `state` into those of `own`, by name.

    Parameters
    ----------
    own : dict
        The arrays to fill, by name.
    state : mapping
        Arrays or Tensors by name. Floating-point numbers are rounded to the dtype of `own`.
    strict : bool
        Whether missing and unexpected names are errors.
    title : str
        The name of the module, for the error.
    ignored : collection of str
        Names that `state` may contain although `own` does not.

    Returns
    -------
    (missing_keys, unexpected_keys)

    Raises
    ------
    InputError
        Names, shapes or values do not fit. The message lists all of them, and nothing is changed.
    InputTypeError
        `state` is not a mapping.
    """
    if not isinstance(state, Mapping):
        raise InputTypeError(f"load_state_dict: the state must be a dict of arrays by name, not a "
                             f"{type(state).__name__}")
    missing = [name for name in own if name not in state]
    unexpected = [str(name) for name in state if name not in own and name not in ignored]
    found: dict[str, list[str]] = {"missing": missing * strict, "unexpected": unexpected * strict, "wrong shape": [],
                                   "wrong values": []}
    loaded = {}
    for name, array in own.items():
        if name in state:
            given = _as_array(state[name])
            if given.shape != array.shape:
                found["wrong shape"].append(f"{name} is {given.shape} but must be {array.shape}")
            elif not array.flags.writeable:
                found["wrong values"].append(f"{name} cannot be filled: its array is read-only")
            elif reason := why_not_stored(given, array.dtype):
                found["wrong values"].append(f"{name} {reason}")
            else:
                loaded[name] = given
    problems = [f"{kind}: {', '.join(names)}" for kind, names in found.items() if names]
    if problems:
        raise InputError(f"the state does not fit {title}: {'; '.join(problems)}")
    for name, given in loaded.items():
        own[name][...] = given
    return missing, unexpected


def _as_array(value):
    """The value as an array of its own dtype. A value that is no array becomes an array of objects."""
    value = unmasked(value.data if isinstance(value, Tensor) else value)
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):               # ragged lists; a tensor of another library
        return np.array(None)
