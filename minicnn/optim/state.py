"""The state of an optimiser: written as a flat dict, and read again with checks of all its values."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..checks import why_not_stored
from ..errors import InputError

Groups = list[dict[str, Any]]


def saved_state(optimizer: Any) -> dict[str, Any]:
    """The result of `Optimizer.state_dict`."""
    numbers: dict[str, Any] = {"optimizer": type(optimizer).__name__, "params": len(optimizer.params)}
    groups = [{name: group[name] for name in optimizer.settings} for group in optimizer.param_groups]
    if len(groups) == 1:
        numbers |= groups[0]
    else:
        numbers["param_groups"] = [{"params": len(group["params"]), **settings} for group, settings in
                                   zip(optimizer.param_groups, groups, strict=True)]
    kept = {f"{i}.{name}": value for i, state in enumerate(optimizer.state) for name, value in state.items()}
    return copy.deepcopy(numbers | kept)


def loaded_state(optimizer: Any, state_dict: Mapping[str, Any]) -> tuple[Groups, Groups]:
    """The settings of each group and the state of each parameter in a result of `Optimizer.state_dict`.

    Raises
    ------
    InputError
        The state is not of this optimiser, or a value is wrong.
    """
    params = optimizer.params
    for name, ours in (("optimizer", type(optimizer).__name__), ("params", len(params))):
        if state_dict.get(name) != ours:
            raise InputError(f"load_state_dict: this state has {name} = {state_dict.get(name)!r}, the optimiser "
                             f"has {ours!r}: make the optimiser as it was when the state was saved")
    settings = [_settings(optimizer, group) for group in _groups(optimizer, state_dict)]
    loaded: Groups = [{} for _ in params]
    for key in (key for key in state_dict if "." in key):
        index, name = key.split(".", 1)
        if not index.isdecimal() or int(index) >= len(params):
            raise InputError(f"load_state_dict: {key} belongs to none of the {len(params)} parameters")
        loaded[int(index)][name] = _kept(key, state_dict[key], params[int(index)].data)
    needed = optimizer.state_names
    for i, state in enumerate(loaded):
        if state and needed is not None and not set(needed) <= state.keys() <= {*needed,
                                                                                *optimizer.optional_state_names}:
            raise InputError(f"load_state_dict: the state of params[{i}] has {', '.join(sorted(state))} instead of "
                             f"{', '.join(needed)}")
    return settings, loaded


def _groups(optimizer, state_dict):
    """The dict of settings of each group."""
    ours = [len(group["params"]) for group in optimizer.param_groups]
    if "param_groups" not in state_dict:
        if len(ours) != 1:
            raise InputError(f"load_state_dict: this state has one parameter group, the optimiser has {len(ours)}: "
                             "make the optimiser as it was when the state was saved")
        return [state_dict]
    groups = state_dict["param_groups"]
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        raise InputError(f"load_state_dict: param_groups must be a list of dicts, not {str(groups)[:80]}")
    theirs = [group.get("params") for group in groups]
    if theirs != ours:
        raise InputError(f"load_state_dict: the parameter groups of this state have {theirs} parameters, those of the "
                         f"optimiser {ours}: make the optimiser as it was when the state was saved")
    return groups


def _settings(optimizer, given):
    """The settings of a group, checked."""
    given = {**optimizer.later_settings, **given}
    missing = [name for name in optimizer.settings if name not in given]
    if missing:
        raise InputError(f"load_state_dict: the state lacks {', '.join(missing)}")
    values = {name: given[name] for name in optimizer.settings}
    return {name: optimizer.checked(name, tuple(value) if isinstance(value, list) else value)     # JSON has no tuples
            for name, value in values.items()}


def _kept(key, value, param):
    """A number or array of a state that is loaded, checked; an array in the dtype and memory order of the parameter."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, np.ndarray):
        raise InputError(f"load_state_dict: {key} must be a number or an array, not {value!r}")
    if value.shape != param.shape:
        raise InputError(f"load_state_dict: {key} has shape {value.shape}, the parameter {param.shape}")
    if reason := why_not_stored(value, param.dtype):
        raise InputError(f"load_state_dict: {key} {reason}")
    copied = np.empty_like(param)
    copied[...] = value
    return copied
