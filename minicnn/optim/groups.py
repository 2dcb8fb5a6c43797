"""Parameter groups: the parameters of an optimiser that share settings, and the checks of these parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Set
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..tensor import Tensor


class ParamGroup(MutableMapping):
    """One of `optimizer.param_groups`: a dict with the list "params" and the settings of these parameters.

    A setting may be changed at any time, as in `group["lr"] = 0.1`; its value is checked at once.

    Raises
    ------
    InputError
        There is no such setting, the value is wrong, or another list of parameters is set.
    """

    def __init__(self, check: Callable[[str, Any], Any], names: tuple[str, ...], params: list[Tensor]) -> None:
        self._check, self._names = check, names
        self._values: dict[str, Any] = {"params": params}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise InputError("the parameters of a group are fixed: add others by optimizer.add_param_group")
        if name not in self._names:
            raise InputError(f"a parameter group has no setting {name!r}, but {', '.join(self._names)}")
        self._values[name] = self._check(name, value)

    def __delitem__(self, name: str) -> None:
        raise InputError(f"{name!r} cannot be removed from a parameter group: set another value")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def copy(self) -> ParamGroup:
        """A group with the same parameters, whose settings can be changed without changing this group."""
        other = ParamGroup(self._check, self._names, self._values["params"])
        other._values = dict(self._values)
        return other


def given_groups(optimizer: str, params: Any) -> list[Mapping[str, Any]]:
    """The argument `params` of an optimiser as a list of dicts: a list of Tensors becomes a single group."""
    items = _listed(optimizer, "params", params)
    if not any(isinstance(item, Mapping) for item in items):
        return [{"params": items}]
    if wrong := [item for item in items if not isinstance(item, Mapping)]:
        raise InputTypeError(f"{optimizer}: params has dicts and also a {type(wrong[0]).__name__}: give a list of "
                             "Tensors, or a list of dicts such as {'params': layer.parameters(), 'lr': 0.1}")
    return items


def group_params(optimizer: str, group: Any, start: int) -> list[Tensor]:
    """The parameters of a group that is given, checked. The first one is params[start] of the optimiser."""
    if not isinstance(group, Mapping):
        raise InputTypeError(f"{optimizer}: a parameter group is a dict such as {{'params': layer.parameters(), "
                             f"'lr': 0.1}}, not a {type(group).__name__}")
    if "params" not in group:
        raise InputError(f"{optimizer}: a parameter group needs the key 'params'; this one has "
                         f"{', '.join(map(repr, group)) or 'no keys'}")
    given = group["params"]
    params = [given] if isinstance(given, Tensor) else _listed(optimizer, "the 'params' of a group", given)
    if params and all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in params):
        params = [param for _, param in params]   # of model.named_parameters()
    for i, param in enumerate(params, start):
        if not isinstance(param, Tensor):
            raise InputTypeError(f"{optimizer}: params[{i}] is a {type(param).__name__}, not a Tensor")
        if not param.is_leaf:
            raise InputError(f"{optimizer}: params[{i}] is the result of an operation; only leaves can be optimised")
    return params


def refuse_twice(optimizer: str, params: list[Tensor], start: int = 0) -> None:
    """Raise InputError if one of the parameters from `start` on is given twice, or shares memory with another."""
    if len({id(param) for param in params}) != len(params):
        raise InputError(f"{optimizer}: a parameter was given twice; it would be moved twice in each step")
    for i, first in enumerate(params[start:], start):
        for j, second in enumerate(params[:i]):
            if _share_elements(first.data, second.data):
                raise InputError(f"{optimizer}: params[{j}] and params[{i}] share memory, which would be moved twice "
                                 "in each step: make one of them of a copy, or give one parameter")


def _listed(optimizer, name, params):
    if isinstance(params, (Tensor, np.ndarray, Set, Mapping, str)) or not isinstance(params, Iterable):
        raise InputTypeError(f"{optimizer}: {name} must be a list of Tensors such as model.parameters(), not a "
                             f"{type(params).__name__}" + ", whose order changes from run to run" * isinstance(
                                 params, Set))
    return list(params)


def _share_elements(first, second):
    try:
        return np.shares_memory(first, second, max_work=10**5)
    except np.exceptions.TooHardError:
        return False
