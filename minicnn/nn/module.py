"""Module: how layers own their parameters, name them, and save and load their state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ..checks import boolean
from ..conv import Geometry
from ..errors import InputError, InputTypeError
from ..tensor import Tensor, torch_names  # noqa: F401 (Tensor: for the examples)
from .parameter import Parameter
from .state import ignored_names, load_arrays, tied_names

UNORDERED = (set, frozenset, deque)              # containers whose elements a module does not find

OWN = ("_forward_hooks", "_first_shapes")               # attributes of a Module that are no members


class Window(NamedTuple):
    """The part of a layer's input that one output pixel sees, each (vertical, horizontal), in pixels.

    Attributes
    ----------
    span : (int, int)
        From the first pixel to the last.
    stride : (int, int) or (Fraction, Fraction)
        From the window of one output pixel to the window of the next: a fraction if the layer enlarges its input.
    """

    span: tuple[int, int]
    stride: tuple[int | Fraction, int | Fraction]


class RemovableHandle:
    """The result of `register_forward_hook`. Its method `remove()` removes the hook."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def remove(self) -> None:
        """Remove the hook. A second call does nothing."""
        hooks = {handle: hook for handle, hook in self._module._forward_hooks.items() if handle is not self}
        vars(self._module).pop("_forward_hooks", None)
        if hooks:
            self._module._forward_hooks = hooks


class Module:
    """A function with parameters and sub-modules. They are its attributes, in the order in which they were set.

    A subclass sets its parameters and sub-modules in `__init__` and defines `forward`. An attribute may also be a list,
    tuple or dict of them: `self.layers = [Conv2d(1, 8, 3)]` has the parameters "layers.0.weight" and "layers.0.bias".
    `buffers` names the arrays that belong to the state but are not learned (running means). `ignored_state` names what
    `load_state_dict` accepts and forgets.

    A layer that sees more than one pixel also defines `window`. A layer that multiplies also defines `multiply_adds`.
    A convolution defines `geometry`, from which the other two follow. `nn.summary` uses these methods.

    Examples
    --------
    >>> from minicnn.nn import ReLU, Sequential
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter(np.float32(2))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> model = Sequential(Scale(), ReLU())
    >>> model
    Sequential(     1 parameter
      (0): Scale()  1
      (1): ReLU()
    )
    >>> model(Tensor([-1.0, 3.0]))
    Tensor([0., 6.], made by relu)
    """

    training = True
    buffers: tuple[str, ...] = ()
    ignored_state: tuple[str, ...] = ()
    _forward_hooks: dict[RemovableHandle, tuple[Callable, bool]] = {}      # empty; a module with hooks has its own
    _first_shapes: tuple[Any, ...] = ()                                    # of the inputs of the first call

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in _flattened(vars(cls).items()):
            if isinstance(value, (Module, Parameter)):
                raise InputTypeError(f"{cls.__name__}.{name} is an attribute of the class, so that all objects would "
                                     f"share this {type(value).__name__}, and none would train it: set self.{name} in "
                                     "__init__")

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """The layer's function; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if not self._first_shapes:
            vars(self)["_first_shapes"] = tuple(getattr(one, "shape", None) for one in inputs) or (None,)
        if not self._forward_hooks:
            return self.forward(*inputs, **options)
        out = self.forward(*inputs, **options)
        for hook, with_kwargs in list(self._forward_hooks.values()):
            other = hook(self, inputs, options, out) if with_kwargs else hook(self, inputs, out)
            out = out if other is None else other
        return out

    def register_forward_hook(self, hook: Callable, *, with_kwargs: bool = False) -> RemovableHandle:
        """Call hook(module, args, output) after every call of this module, as in PyTorch.

        Parameters
        ----------
        hook : callable
            `args` is the tuple of the positional arguments. If the hook does not return None, its result replaces the
            output.
        with_kwargs : bool
            Call hook(module, args, kwargs, output), with the dict of the keyword arguments.

        Returns
        -------
        RemovableHandle
            Its method `remove()` removes the hook.

        Examples
        --------
        >>> from minicnn.nn import ReLU
        >>> layer, seen = ReLU(), []
        >>> handle = layer.register_forward_hook(lambda module, args, output: seen.append(output.data))
        >>> _ = layer(Tensor([-1.0, 2.0]))
        >>> handle.remove()
        >>> seen
        [array([0., 2.], dtype=float32)]
        """
        if not callable(hook):
            raise InputTypeError(f"register_forward_hook: a hook is a function of (module, args, output), not a "
                                 f"{type(hook).__name__}")
        handle = RemovableHandle(self)
        self._forward_hooks = {**self._forward_hooks, handle: (hook, with_kwargs)}      # a copy.copy keeps the old
        return handle

    def steps(self, inputs: tuple, options: dict[str, Any], output: Any) -> list[tuple[str, Module, tuple, Any]]:
        """One call of this module as steps for reports: (suffix of the name, module, inputs, output) for each step.

        The inputs are the positional arguments; if there are none, the keyword arguments.

        There is one step, the call itself, unless the layer computes two layers at once, such as Conv2d with a ReLU.
        """
        return [("", self, inputs or tuple(options.values()), output)]

    @property
    def has_forward_hooks(self) -> bool:
        """Whether a hook is called after this module."""
        return bool(self._forward_hooks)

    def geometry(self, in_shape: tuple[int, ...]) -> Geometry | None:
        """The geometry of this layer for an input of that shape; None if the layer is not a convolution."""
        return None

    def window(self, in_shape: tuple[int, ...]) -> Window | None:
        """The part of an input of that shape that one output pixel sees; None if it sees the whole input.

        It is the window of `geometry`. Without a geometry it is one pixel, as for an activation.
        """
        geometry = self.geometry(in_shape)
        return Window((1, 1), (1, 1)) if geometry is None else Window(geometry.span, geometry.stride)

    def multiply_adds(self, in_shape: tuple[int, ...]) -> int:
        """Multiplications for one image, by the definition. in_shape has N images. Without a geometry: 0.
        """
        geometry = self.geometry(in_shape)
        return 0 if geometry is None else geometry.multiply_adds // geometry.batch

    if not TYPE_CHECKING:
        def __getattr__(self, name):                    # only names that are not there come here
            if hint := torch_names.MODULES.get(name):
                message = f"{type(self).__name__} has no attribute {name!r}: write {hint}"
                raise AttributeError(message, name=name, obj=self)
            return object.__getattribute__(self, name)  # raises the error of Python, or that of a property

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(vars(self).get(name), Parameter) and not isinstance(value, (Parameter, type(None))):
            raise InputTypeError(
                f"{type(self).__name__}.{name} is a Parameter; a {type(value).__name__} in its place would "
                f"not be trained. Write {name} = Parameter(...), or change {name}.data[...]")
        if isinstance(value, UNORDERED) and any(isinstance(one, (Module, Parameter)) for one in value):
            raise InputTypeError(f"{type(self).__name__}.{name} is a {type(value).__name__} of modules or parameters, "
                                 "which would have no names, and would not be trained: use a list, a dict, ModuleList "
                                 "or ModuleDict")
        super().__setattr__(name, value)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module (named `prefix`) and all below it, parents first, each once."""
        seen = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module
                children = [(prefixed(name, own), child) for own, child in module._children()]
                stack.extend(reversed(children))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, Parameter) of all parameters, each once. Two with the same name raise InputError."""
        seen, names = set(), set()
        for prefix, module in self.named_modules():
            for own, value in module._members():
                if isinstance(value, Parameter) and id(value) not in seen:
                    name = prefixed(prefix, own)
                    if name in names:
                        raise InputError(f"{type(self).__name__} has two parameters with the name {name!r}: rename an "
                                         "attribute, or a key of a dict")
                    seen.add(id(value))
                    names.add(name)
                    yield name, value

    def parameters(self) -> list[Parameter]:
        """All parameters, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Training mode (dropout drops, batch norm uses the batch) for this module and all in it; returns self."""
        mode = boolean("train: mode", mode)
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode; returns self."""
        return self.train(False)

    def state_dict(self) -> dict[str, np.ndarray]:
        """{dotted name: copy of the array} of all parameters and buffers."""
        return {name: array.copy() for name, array in self._state()}

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> tuple[list[str], list[str]]:
        """Copy arrays into the parameters and buffers of the same names.

        Parameters
        ----------
        state : dict
            Arrays or Tensors of floating-point numbers, by name; they are rounded to the parameter's dtype. A tied
            weight may stand under any of its names.
        strict : bool
            Whether all names must be the same.

        Returns
        -------
        (missing_keys, unexpected_keys)

        Raises
        ------
        InputError
            A shape differs; values are no floating-point numbers or too large for the parameter's dtype; `strict` is
            true and names are missing or unexpected. The message lists all of them, and nothing is changed.
        InputTypeError
            The state is not a dict.

        Examples
        --------
        >>> from minicnn.nn import Linear
        >>> Linear(2, 1, rng=np.random.default_rng(0)).load_state_dict({"weight": np.zeros((1, 3))})
        Traceback (most recent call last):
            ...
        minicnn.InputError: the state does not fit Linear: missing: bias; wrong shape: weight is (1, 3) but must be (1, 2)
        """  # noqa: E501
        tied = tied_names(self)
        ignored = ignored_names(self, tied)
        return load_arrays(dict(self._state()), state, strict, type(self).__name__, ignored, tied)

    def extra_repr(self) -> str:
        """The arguments shown between the parentheses of the repr."""
        return ""

    def __repr__(self) -> str:
        lines = self._lines("")
        width = max(len(text) for text, _ in lines) + 2
        counts = [(text, f"{count:,}" if count else "") for text, count in lines]
        total = lines[0][1]
        if len(lines) == 1:
            return lines[0][0]
        counts[0] = counts[0][0], f"{total:,} parameter{'s' * (total != 1)}"
        return "\n".join(f"{text:<{width}}{count}".rstrip() for text, count in counts)

    def _repr_html_(self) -> str:
        """For notebooks: the table of `minicnn info` if the input's shape is known, else the modules as a tree.

        The shape is known after the first call, or if the model has attributes `in_channels` and `image_size`.
        """
        from .summary import module_html
        return module_html(self)

    def _lines(self, label, outer=()):
        """(text, number of parameters) for each line of the repr. `outer` are the modules that this one lies in."""
        outer = (*outer, self)
        children = [(name, child) for name, child in self._children() if child not in outer]
        count = sum(p.size for p in self.parameters())
        if not children:
            return [(f"{label}{type(self).__name__}({self.extra_repr()})", count)]
        inner = [(f"  {text}", n) for name, child in children for text, n in child._lines(f"({name}): ", outer)]
        return [(f"{label}{type(self).__name__}({self.extra_repr()}", count), *inner, (")", 0)]

    def _children(self):
        return ((name, value) for name, value in self._members() if isinstance(value, Module))

    def _members(self):
        """(name, value) of the attributes, and of the elements of lists, tuples and dicts."""
        return _flattened(self._attributes())

    def _attributes(self):
        """(name, value) of the attributes; a container has its modules instead of the list or dict that holds them."""
        return ((name, value) for name, value in vars(self).items() if name not in OWN)

    def _state(self):
        for name, parameter in self.named_parameters():
            yield name, parameter.data
        for prefix, module in self.named_modules():
            for name in module.buffers:
                yield prefixed(prefix, name), getattr(module, name)


def _flattened(members):
    """(name, value) of the members, and of the elements of lists, tuples and dicts among them."""
    inside = set()                                      # containers, by id: a list may contain itself
    stack = list(members)[::-1]
    while stack:
        name, value = stack.pop()
        if not isinstance(value, (list, tuple, dict)):
            yield name, value
        elif id(value) not in inside:
            inside.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend(reversed([(f"{name}.{key}", item) for key, item in items]))


def prefixed(prefix: str, name: str) -> str:
    """The dotted name of a member of the module that is named `prefix`. The outermost module has the name "".

    >>> prefixed("conv1", "weight"), prefixed("", "weight")
    ('conv1.weight', 'weight')
    """
    return f"{prefix}.{name}" if prefix else name
