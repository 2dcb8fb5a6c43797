"""Modules that hold other modules: Sequential, ModuleList, ModuleDict, Residual; and Identity."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self

from ..checks import is_integer
from ..errors import InputError, InputTypeError
from ..tensor import Tensor  # noqa: F401 (for the examples)
from .module import Module


class Sequential(Module):
    """Modules one after the other, named "0", "1", ... In a part, as model[2:], they keep their names."""

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            setattr(self, str(i), _module(f"Sequential: argument {i}", module, "give modules one by one, as in "
                                          "Sequential(Linear(2, 3), ReLU())"))

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._children())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self._children())[_index("Sequential", index, len(self))]
        if not isinstance(found, list):
            return found[1]
        part = Sequential()
        for name, module in found:
            setattr(part, name, module)
        return part


class Identity(Module):
    """Returns its input. Further arguments are accepted and forgotten, so that it can stand in the place of any layer.

    >>> Identity()(Tensor([1.0, -2.0]))
    Tensor([ 1., -2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        return input


class Residual(Module):
    """module(x) + shortcut(x), the residual block (He et al. 2016, equations 1 and 2).

    Parameters
    ----------
    module : Module
        What is learned beside the shortcut.
    shortcut : Module, optional
        By default x itself. A module that changes the shape needs one, as a 1x1 convolution with the same stride.

    Raises
    ------
    InputError
        In a call: the two have different shapes. Nothing is broadcast.
    InputTypeError
        An argument is not a Module.

    Examples
    --------
    >>> from minicnn.nn import Linear
    >>> block = Residual(Linear(3, 3))
    >>> block.module.weight.data[...], block.module.bias.data[...] = 0, 1
    >>> block(Tensor([[1.0, 2.0, 3.0]]))
    Tensor([[2., 3., 4.]], made by add)
    """

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        self.module = _module("Residual: module", module)
        self.shortcut = None if shortcut is None else _module("Residual: shortcut", shortcut)

    def forward(self, x: Any) -> Any:
        around = x if self.shortcut is None else self.shortcut(x)
        out = self.module(x)
        if out.shape != around.shape:
            way = "the input" if self.shortcut is None else "the output of the shortcut"
            raise InputError(f"Residual: the output of the module has shape {out.shape}, {way} {around.shape}; they "
                             "must be the same: give a fitting shortcut, such as a 1x1 convolution with its stride")
        return out + around


class ModuleList(Module):
    """A list of modules, named "0", "1", ... It has the methods of a Python list that change it or look at it.

    A plain list as an attribute of a module works as well, and gives the same names.

    Parameters
    ----------
    modules : iterable of Module

    Raises
    ------
    InputTypeError
        An element is not a Module.

    Examples
    --------
    >>> from minicnn.nn import Linear
    >>> class Deep(Module):
    ...     def __init__(self):
    ...         self.layers = ModuleList([Linear(2, 2) for _ in range(3)])
    ...     def forward(self, x):
    ...         for layer in self.layers:
    ...             x = layer(x)
    ...         return x
    >>> [name for name, _ in Deep().named_parameters()][:3]
    ['layers.0.weight', 'layers.0.bias', 'layers.1.weight']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._held: list[Module] = []
        self.extend(modules)

    def _attributes(self):
        yield from ((name, value) for name, value in super()._attributes() if name != "_held")
        yield from ((str(i), module) for i, module in enumerate(self._held))

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns self."""
        self._held.append(_module("ModuleList: the element", module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns self."""
        try:
            given = None if isinstance(modules, (str, Mapping, set, frozenset, ModuleDict)) else list(modules)
        except TypeError:
            given = None
        if given is None:
            raise InputTypeError(f"ModuleList: modules must be a list of Modules, not a {type(modules).__name__}")
        self._held += [_module(f"ModuleList: element {i}", module) for i, module in enumerate(given)]
        return self

    def insert(self, index: int, module: Module) -> None:
        """Insert a module before the one with that index."""
        self._held.insert(index, _module("ModuleList: the element", module))

    def pop(self, index: int = -1) -> Module:
        """Remove a module and return it."""
        module = self[index]
        del self[index]
        return module

    def __getitem__(self, index: int | slice) -> Any:
        found = self._held[_index("ModuleList", index, len(self))]
        return ModuleList(found) if isinstance(found, list) else found

    def __setitem__(self, index: int, module: Module) -> None:
        where = _index("ModuleList", index, len(self))
        if isinstance(where, slice):
            raise InputTypeError("ModuleList: set one module at a time, not a slice")
        self._held[where] = _module("ModuleList: the element", module)

    def __delitem__(self, index: int | slice) -> None:
        del self._held[_index("ModuleList", index, len(self))]

    def __iter__(self) -> Iterator[Module]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, module: Any) -> bool:
        return any(module is one for one in self._held)

    def __add__(self, modules: Iterable[Module]) -> ModuleList:
        return ModuleList(self._held).extend(modules)

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


class ModuleDict(Module):
    """A dict of modules. The keys are their names, in the order in which they were set.

    Parameters
    ----------
    modules : dict of Module, or iterable of (str, Module)

    Raises
    ------
    InputError
        A key is empty or has a dot, or is not there.
    InputTypeError
        A key is no string, or a value is not a Module.

    Examples
    --------
    >>> from minicnn.nn import ReLU, Tanh
    >>> ModuleDict({"relu": ReLU(), "tanh": Tanh()})["relu"](Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | ModuleDict = ()) -> None:
        self._held: dict[str, Module] = {}
        self.update(modules)

    def _attributes(self):
        yield from ((name, value) for name, value in super()._attributes() if name != "_held")
        yield from self._held.items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | ModuleDict) -> None:
        """Add modules, or replace those with the same keys. After an error nothing is changed."""
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        try:
            new: dict[str, Module] = dict(pairs)
        except (TypeError, ValueError):
            raise InputTypeError("ModuleDict: modules must be a dict of Modules, or a list of pairs (name, Module), "
                                 f"not a {type(modules).__name__}") from None
        self._held |= {_key(key): _module(f"ModuleDict: {key!r}", module) for key, module in new.items()}

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        self._held.clear()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._held.keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._held.values()

    def items(self) -> ItemsView[str, Module]:
        """The pairs (name, module)."""
        return self._held.items()

    def __getitem__(self, key: str) -> Module:
        if key not in self._held:
            raise InputError(f"ModuleDict: there is no module {key!r}; its keys are "
                             f"{', '.join(map(repr, self._held)) or 'none'}")
        return self._held[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.update({key: module})

    def __delitem__(self, key: str) -> None:
        self[key]                                 # raises if there is none
        del self._held[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: Any) -> bool:
        return isinstance(key, str) and key in self._held


def _module(name, value, hint="give a Module such as ReLU()"):
    """The value, which must be a Module."""
    if not isinstance(value, Module):
        what = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
        raise InputTypeError(f"{name} is {what}, not a Module: {hint}")
    return value


def _key(key):
    if not isinstance(key, str):
        raise InputTypeError(f"ModuleDict: a key must be a string, not {key!r}")
    if not key or "." in key:
        raise InputError(f"ModuleDict: a key must be a name without a dot, not {key!r}: dots stand between the names "
                         "of modules")
    return key


def _index(name, index, length):
    """An index or slice of a list, checked."""
    if isinstance(index, slice):
        return index
    if not is_integer(index):
        raise InputTypeError(f"{name}: an index must be an integer or a slice, not {index!r}")
    if not -length <= index < length:
        raise InputError(f"{name}: there is no module {index}: it has {length}")
    return operator.index(index)
