"""The state of a module: load arrays into it, all of them or none; its names for PyTorch, and tied weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import unmasked, why_not_stored
from ..errors import InputError, InputTypeError
from ..tensor import Tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


def load_arrays(own: dict[str, np.ndarray], state: Mapping[str, Any], strict: bool, title: str,
                ignored: Collection[str] = (), aliases: Mapping[str, str] | None = None) -> tuple[list[str], list[str]]:
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
    aliases : mapping, optional
        Other names of arrays in `own`: {name: name in own}. `state` may contain any of the names of an array; if it
        contains several, their values must be the same.

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
    aliases = aliases or {}
    untied = [f"{name} differs from {aliases[name]}, with which it is tied" for name in state
              if name in aliases and not _same(state[name], _of_one(state, aliases, name))]
    state = {name: value for name, value in state.items() if name not in aliases} | {
        aliases[name]: _of_one(state, aliases, name) for name in state if name in aliases}
    missing = [name for name in own if name not in state]
    unexpected = [str(name) for name in state if name not in own and name not in ignored]
    found: dict[str, list[str]] = {"missing": missing * strict, "unexpected": unexpected * strict, "wrong shape": [],
                                   "wrong values": untied}
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


def _of_one(state, aliases, alias):
    """The value in `state` of the array that `alias` names: under its name in state_dict, or its first other name."""
    main = aliases[alias]
    return state[main if main in state else next(name for name in state if aliases.get(name) == main)]


def _same(first, second):
    return first is second or np.array_equal(_as_array(first), _as_array(second))


def tied_names(module: Module) -> dict[str, str]:
    """{other name: name in state_dict} of the parameters and buffers that have several names in the module.

    >>> from minicnn.nn import Linear, Sequential
    >>> layer = Linear(2, 2, rng=np.random.default_rng(0))
    >>> tied_names(Sequential(layer, layer))
    {'1.weight': '0.weight', '1.bias': '0.bias'}
    """
    first: dict[Any, str] = {id(value): name for name, value in module.named_parameters()}
    for prefix, part in module.named_modules():
        for name in part.buffers:
            first[id(part), name] = _join(prefix, name)
    return {name: first[key] for name, key in _all_names(module, "", (module,)) if first[key] != name}


def ignored_names(module: Module, tied: Mapping[str, str]) -> set[str]:
    """The names that `load_state_dict` accepts and forgets, also in parts of the module that have several names."""
    names = {_join(prefix, name) for prefix, part in module.named_modules() for name in part.ignored_state}
    kinds = {name.rpartition(".")[2] for name in names}
    parts = {alias.rpartition(".")[0]: name.rpartition(".")[0] for alias, name in tied.items()}
    return names | {_join(part, kind) for part, main in parts.items() for kind in kinds if _join(main, kind) in names}


def _all_names(module: Module, prefix: str, outer: tuple) -> Iterator[tuple[str, Any]]:
    """(name, key) of all parameters and buffers, by each way to them. `outer` are the modules on this way."""
    for own, value in module._members():
        if isinstance(value, Parameter):
            yield _join(prefix, own), id(value)
        elif hasattr(value, "named_modules") and all(value is not one for one in outer):
            yield from _all_names(value, _join(prefix, own), (*outer, value))
    for own in module.buffers:
        yield _join(prefix, own), (id(module), own)


def _join(prefix, name):
    return f"{prefix}.{name}" if prefix else name


def torch_state_dict(module: Module) -> dict[str, np.ndarray]:
    """{name: array} with all names that the state_dict of PyTorch's module has.

    PyTorch takes tensors: there.load_state_dict({name: torch.from_numpy(array) for name, array in
    torch_state_dict(here).items()}, strict=True). Or save them, and read them there by safetensors.torch.load_file.

    That is `module.state_dict()`, and each further name of tied weights, and `num_batches_tracked` (0) of batch norms.
    For safetensors.torch.load_model, which wants tied weights once, save `module.state_dict()`.

    Examples
    --------
    >>> from minicnn.nn import BatchNorm2d
    >>> list(torch_state_dict(BatchNorm2d(2)))
    ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
    """
    state = module.state_dict()
    for prefix, part in module.named_modules():
        if part.buffers and "num_batches_tracked" in part.ignored_state:
            state.setdefault(_join(prefix, "num_batches_tracked"), np.zeros((), np.int64))
    for alias, name in tied_names(module).items():
        state[alias] = state[name].copy()
        counted = name.rpartition(".")[0] + ".num_batches_tracked"
        if counted in state:
            state.setdefault(alias.rpartition(".")[0] + ".num_batches_tracked", state[counted].copy())
    return state
