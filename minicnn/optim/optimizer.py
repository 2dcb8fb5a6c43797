"""The base class of all optimisers: parameter groups, settings, and the step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..checks import number, unmasked, why_not_stored
from ..errors import InputError, InputTypeError, StateError
from ..tensor import Tensor
from .groups import ParamGroup, given_groups, group_params, refuse_twice
from .state import loaded_state, saved_state


class Optimizer:
    """The base class of all optimisers. A subclass defines `update`, and `settings`: the names of its numbers.

    The settings are attributes and may be changed at any time; `checked` then checks them. `state_names` are the keys
    of the state of a parameter; None stands for any keys. `optional_state_names` are keys that it may have besides.
    `later_settings` are settings that states of older versions lack, with the value that they stand for.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        For example `model.parameters()` or `model.named_parameters()`; the names are forgotten. `step` does not change
        a parameter without a gradient. A dict is a parameter group: {"params": ...} with settings of its own. The other
        settings are those that the optimiser is given.
    lr, weight_decay : float
        0 or more.

    Attributes
    ----------
    param_groups : list of ParamGroup
        Dicts with "params" and all settings. Without groups in `params` there is one. `optimizer.lr = 0.1` sets the
        rate of all groups. Reading `optimizer.lr` raises StateError if the groups have different rates. Inside of
        `update`, `self.lr` is the rate of the group of the parameter.
    params : list of Tensor
        The parameters of all groups.
    state : list of dict
        A dict for each parameter.

    Raises
    ------
    InputError
        There are no parameters, one is given twice, two share memory, one is the result of an operation, a number is
        negative, or a group has a key that is no setting.
    InputTypeError
        `params` is not an iterable of Tensors, or of dicts.

    Examples
    --------
    >>> class SignDescent(Optimizer):
    ...     def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
    ...         param -= self.lr * np.sign(grad)
    >>> w, b = Tensor([1.0, -2.0], requires_grad=True), Tensor([0.0], requires_grad=True)
    >>> (w * w + 3 * b).sum().backward()
    >>> SignDescent([{"params": [w]}, {"params": [b], "lr": 0.1}], lr=0.5).step()
    >>> w.data, b.data
    (array([ 0.5, -1.5], dtype=float32), array([-0.1], dtype=float32))
    """

    settings: tuple[str, ...] = ("lr", "weight_decay")
    state_names: tuple[str, ...] | None = None
    optional_state_names: tuple[str, ...] = ()
    later_settings: Mapping[str, Any] = {}
    lr: float
    weight_decay: float

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float,
                 weight_decay: float = 0.0) -> None:
        vars(self).setdefault("defaults", {})
        self.params: list[Tensor] = []
        self.state: list[dict[str, Any]] = []
        self.param_groups: list[ParamGroup] = []
        for group in given_groups(type(self).__name__, params):
            self._append(self._group_of(group))
        if not self.params:
            raise InputError(f"{type(self).__name__}: there are no parameters to optimise")
        self.lr, self.weight_decay = lr, weight_decay

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add the parameters of a dict {"params": ...}, with the settings in it; the others have their first values.

        Raises
        ------
        InputError, InputTypeError
            As when the optimiser is made. Nothing is changed.

        Examples
        --------
        >>> from minicnn.optim import SGD
        >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=0.1, momentum=0.9)
        >>> optimizer.add_param_group({"params": Tensor([2.0], requires_grad=True), "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups], optimizer.momentum
        ([0.1, 0.01], 0.9)
        """
        group = self._group_of(param_group)
        self.check_group(group)
        self._append(group)

    def _group_of(self, given):
        name = type(self).__name__
        params = group_params(name, given, len(self.params))
        refuse_twice(name, [*self.params, *params], len(self.params))
        group = ParamGroup(self.checked, self.settings, params)
        group.update({key: value for key, value in {**self.defaults, **given}.items() if key != "params"})
        return group

    def _append(self, group):
        self.params += group["params"]
        self.state += [{} for _ in group["params"]]
        self.param_groups.append(group)

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Raise InputError if settings of a group do not fit together."""

    def checked(self, name: str, value: Any) -> Any:
        """The value of a setting, checked. A number becomes one of Python, which changes the dtype of no array."""
        if name in ("lr", "weight_decay"):
            return number(f"{type(self).__name__}: {name}", value, least=0)
        return value.item() if isinstance(value, np.generic) else value

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.settings:
            super().__setattr__(name, value)
            return
        value, defaults = self.checked(name, value), vars(self).setdefault("defaults", {})
        first = name not in defaults              # in the constructor: a group keeps what it was given
        defaults.setdefault(name, value)
        for group in vars(self).get("param_groups", ()):
            if not first or name not in group:
                group[name] = value

    def __getattr__(self, name: str) -> Any:
        if name not in type(self).settings or "param_groups" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        groups = self.param_groups
        if not all(name in group for group in groups):
            raise AttributeError(f"{type(self).__name__!r} object has no {name!r} yet")
        value = groups[0][name]
        if any(group[name] != value for group in groups[1:]):
            raise StateError(f"{type(self).__name__}: the parameter groups have different {name}: read "
                             f"optimizer.param_groups[i][{name!r}]")
        return value

    def __copy__(self) -> Optimizer:
        other = object.__new__(type(self))
        vars(other).update(vars(self), defaults=dict(self.defaults), params=list(self.params), state=list(self.state),
                           param_groups=[group.copy() for group in self.param_groups])
        return other

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            count = len(group["params"])
            groups.append(", ".join([f"{count} parameter{'s' * (count != 1)}",
                                     *(f"{name}={group[name]}" for name in self.settings)]))
        return f"{type(self).__name__}({'; '.join(groups)})"

    def zero_grad(self) -> None:
        """Set all gradients to None. Without it, backward adds to the old gradients."""
        for param in self.params:
            param.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, in place.

        Numbers that are too large for the dtype become infinite or NaN without a warning, as in PyTorch.
        """
        states = iter(self.state)
        i = 0
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for group in self.param_groups:
                with self._using(group):
                    for param, state in zip(group["params"], states, strict=False):
                        if param.grad is not None:
                            self.update(param.data, _gradient(i, param), state)
                        i += 1

    @contextlib.contextmanager
    def _using(self, group: ParamGroup) -> Iterator[None]:
        """Context manager: the attributes are the settings of this group."""
        own = {name: group[name] for name in self.settings}
        vars(self).update(own)
        try:
            yield
        finally:
            for name in own:
                vars(self).pop(name, None)

    def update(self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any]) -> None:
        """Change the array `param` in place. `state` is a dict of this parameter, kept for all steps."""
        raise NotImplementedError

    def decayed(self, param: np.ndarray, grad: np.ndarray) -> np.ndarray:
        """The gradient, with the other sign if the setting `maximize` is on, plus weight_decay times the parameter."""
        if getattr(self, "maximize", False):
            grad = -grad
        return grad + self.weight_decay * param if self.weight_decay else grad

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs to compute the same bits: a flat dict of numbers, strings and copied arrays.

        The keys are "optimizer", "params", the settings, and "i.name" for the state of params[i], as in
        "0.momentum_buffer". With several groups there is "param_groups" instead of the settings: a list of dicts.
        """
        return saved_state(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a result of `state_dict` with its settings. Arrays are copied in their parameter's dtype.

        The state of another optimiser or of other parameters raises InputError and changes nothing. So do values that
        are wrong, such as a complex number, or one that is too large for the dtype.
        """
        if not isinstance(state_dict, Mapping):
            raise InputTypeError(f"load_state_dict: the state must be a dict, not a {type(state_dict).__name__}")
        settings, state = loaded_state(self, state_dict)
        for group, values in zip(self.param_groups, settings, strict=True):
            group.update(values)
        self.state = state


def _gradient(i, param):
    """The gradient of params[i], in the dtype of the parameter."""
    grad = unmasked(param.grad)
    if type(grad) is not np.ndarray or grad.dtype != param.dtype:
        reason = why_not_stored(np.asarray(grad), param.dtype) if isinstance(grad, (np.ndarray, np.generic)) else (
            f"is a {type(grad).__name__}")
        if reason:
            raise InputTypeError(f"step: the gradient of params[{i}] {reason}: it must be an array of {param.dtype}")
        grad = np.asarray(grad, param.dtype)
    if not param.data.flags.writeable:
        raise StateError(f"step: the array of params[{i}] is read-only: make the parameter of a copy")
    if grad.shape != param.shape:
        raise InputError(f"step: params[{i}] has shape {param.shape}, its gradient {grad.shape}")
    return grad
