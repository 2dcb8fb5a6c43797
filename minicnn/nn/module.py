"""Parameter, Module and Sequential: how layers own their parameters, name them, and save and load their state."""

from __future__ import annotations

import contextlib

import numpy as np

from ..errors import InputError, InputTypeError
from ..tensor import Tensor


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters; it requires a gradient."""

    __slots__ = ()

    def __init__(self, data, requires_grad=True):
        super().__init__(data, requires_grad)


class Module:
    """A function with parameters and sub-modules, found among its attributes in the order they were set.

    A subclass sets its parameters and sub-modules in `__init__` and defines `forward`. Arrays that belong to the state
    but are not learned (running means) are named in `buffers`.

    Examples
    --------
    >>> from minicnn.nn import ReLU
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

    def forward(self, *inputs):
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    def __setattr__(self, name, value):
        if isinstance(vars(self).get(name), Parameter) and not isinstance(value, (Parameter, type(None))):
            raise InputTypeError(
                f"{type(self).__name__}.{name} is a Parameter; a {type(value).__name__} in its place would "
                f"not be trained. Write {name} = Parameter(...), or change {name}.data[...]")
        super().__setattr__(name, value)

    def named_modules(self, prefix=""):
        """(dotted name, module) of this module (named `prefix`) and all below it, parents first."""
        yield prefix, self
        for name, child in self._children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self):
        """(dotted name, Parameter) of all parameters, each once."""
        seen = set()
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self):
        """All parameters, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self):
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode=True):
        """Training mode (dropout drops, batch norm uses the batch) for this module and all below; returns self."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self):
        """Evaluation mode; returns self."""
        return self.train(False)

    def state_dict(self):
        """{dotted name: copy of the array} of all parameters and buffers."""
        return {name: array.copy() for name, array in self._state()}

    def load_state_dict(self, state, strict=True):
        """Copy arrays into the parameters and buffers of the same names.

        Returns
        -------
        (missing_keys, unexpected_keys)

        Raises
        ------
        ValueError
            A shape differs; or, where `strict`, names are missing or unexpected. All of them are listed, and nothing
            is changed.

        Examples
        --------
        >>> from minicnn.nn import Linear
        >>> Linear(2, 1, rng=np.random.default_rng(0)).load_state_dict({"weight": np.zeros((1, 3))})
        Traceback (most recent call last):
            ...
        minicnn.InputError: the state does not fit Linear: missing: bias; wrong shape: weight is (1, 3) but must be (1, 2)
        """  # noqa: E501
        own = dict(self._state())
        state = {name: np.asarray(getattr(value, "data", value) if isinstance(value, Tensor) else value)
                 for name, value in state.items()}
        missing, unexpected = [n for n in own if n not in state], [n for n in state if n not in own]
        shapes = [f"{n} is {state[n].shape} but must be {own[n].shape}" for n in own
                  if n in state and state[n].shape != own[n].shape]
        found = {"missing": missing * strict, "unexpected": unexpected * strict, "wrong shape": shapes}
        problems = [f"{title}: {', '.join(names)}" for title, names in found.items() if names]
        if problems:
            raise InputError(f"the state does not fit {type(self).__name__}: {'; '.join(problems)}")
        for name, array in own.items():
            if name in state:
                array[...] = state[name]
        return missing, unexpected

    def extra_repr(self):
        """The arguments shown between the parentheses of the repr."""
        return ""

    def __repr__(self):
        lines = self._lines("")
        width = max(len(text) for text, _ in lines) + 2
        counts = [(text, f"{count:,}" if count else "") for text, count in lines]
        total = lines[0][1]
        if len(lines) == 1:
            return lines[0][0]
        counts[0] = counts[0][0], f"{total:,} parameter{'s' * (total != 1)}"
        return "\n".join(f"{text:<{width}}{count}".rstrip() for text, count in counts)

    def _lines(self, label):
        """(text, number of parameters) for each line of the repr."""
        children = list(self._children())
        count = sum(p.size for p in self.parameters())
        if not children:
            return [(f"{label}{type(self).__name__}({self.extra_repr()})", count)]
        inner = [(f"  {text}", n) for name, child in children for text, n in child._lines(f"({name}): ")]
        return [(f"{label}{type(self).__name__}({self.extra_repr()}", count), *inner, (")", 0)]

    def _children(self):
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def _state(self):
        for name, parameter in self.named_parameters():
            yield name, parameter.data
        for prefix, module in self.named_modules():
            for name in module.buffers:
                yield f"{prefix}.{name}" if prefix else name, getattr(module, name)


@contextlib.contextmanager
def recorded_calls(model):
    """Context manager: a list that fills with (name, module, input, output) as the innermost modules are called.

    >>> from minicnn.nn import ReLU
    >>> model = Sequential(ReLU())
    >>> with recorded_calls(model) as calls:
    ...     _ = model(Tensor([-1.0]))
    >>> [(name, out.data) for name, module, x, out in calls]
    [('0', array([0.], dtype=float32))]
    """
    calls = []
    leaves = [(name, m) for name, m in model.named_modules() if not list(m._children())]

    def watch(name, module, forward):
        def call(x, **options):
            out = forward(x, **options)
            calls.append((name, module, x, out))
            return out
        return call
    try:
        for name, module in leaves:
            module.forward = watch(name, module, module.forward)        # hides the method of the class
        yield calls
    finally:
        for _, module in leaves:
            vars(module).pop("forward", None)


class Sequential(Module):
    """Modules one after the other, named "0", "1", ..."""

    def __init__(self, *modules):
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                what = f"the class {module.__name__}" if isinstance(module, type) else f"a {type(module).__name__}"
                raise InputTypeError(
                    f"Sequential: argument {i} is {what}, not a Module: give modules one by one, as in "
                    "Sequential(Linear(2, 3), ReLU())")
            setattr(self, str(i), module)

    def forward(self, x):
        for module in self:
            x = module(x)
        return x

    def __iter__(self):
        return (module for _, module in self._children())

    def __len__(self):
        return sum(1 for _ in self)

    def __getitem__(self, index):
        modules = list(self)
        return Sequential(*modules[index]) if isinstance(index, slice) else modules[index]
