"""Modules and functions of PyTorch: they get tensors, in float64 where the operator allows it."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..given import AdapterError
from ..names import named_by, top
from ..protocol import no_image_shape, no_layout
from ..steps import COUNT, NO_BATCH, Layer, UpTo, layer_of
from .calls import Layout
from .refusals import hint as hint
from .refusals import refuse
from .walk import TorchWalk

BY_NAMES = True
OWN_ONLY = False
layout, image_shape = no_layout, no_image_shape
TARGET = "a later step writes into it: that step is judged, with the whole tensor"
WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}


def owns(value: Any) -> bool:
    """Whether a value is a module, function or tensor of PyTorch, or an object whose class derives from one of its."""
    kind = value if isinstance(value, type) else type(value)
    return top(value) in ("torch", "torchvision") or any(top(base) == "torch" for base in kind.__mro__)


def is_module(value: Any) -> bool:
    """Whether a value is a torch.nn.Module."""
    return isinstance(value, sys.modules["torch"].nn.Module)


def says(op: Any) -> str:
    """How an operator is called."""
    return "called with tensors of PyTorch"


def narrow_dtype(op: Any) -> str:
    """The dtype of a Module whose parameters have fewer bits than float32, of which a wider copy is judged; else ""."""
    if not is_module(op):
        return ""
    found = (one.dtype for one in op.parameters() if one.is_floating_point() and one.dtype.itemsize < 4)
    return str(next(found, "")).removeprefix("torch.")


def as_function(op: Callable, dtype: str) -> Callable:
    """`op` as a function of an array of NumPy. A Module is copied, and the copy gets parameters of that dtype."""
    torch = sys.modules["torch"]
    for module in filter(is_module, (op, *named_by(op))):
        refuse(module)
    if is_module(op):
        op = _in_dtype(_without_wrappers(op), dtype)
    device = _device_of(op)

    def call(images: np.ndarray) -> Any:
        with torch.no_grad():
            return to_array(op(torch.from_numpy(images).to(device)))
    return call


def is_array(value: Any) -> bool:
    """Whether a value is a tensor of PyTorch."""
    return isinstance(value, sys.modules["torch"].Tensor)


def to_array(value: Any) -> Any:
    """A tensor as an array of NumPy; another value as it is."""
    if not is_array(value):
        return value
    if value.dtype == sys.modules["torch"].bfloat16:
        raise AdapterError("the operator returned torch.bfloat16, whose rounding hides too much: call it outside of "
                           "autocast, or with float32")
    return np.array(value.detach().cpu().resolve_neg().resolve_conj().numpy())


def snapshots(objects: list[Any]) -> list[Callable[[], None]]:
    """Functions that put back modules, and generators, the global one too; also grad mode and default dtype."""
    torch = sys.modules["torch"]
    modules = {id(part): part for one in objects if isinstance(one, torch.nn.Module) for part in one.modules()}
    inside = [value for part in modules.values() for value in vars(part).values()]
    generators = {id(one): one for one in (*objects, *inside) if isinstance(one, torch.Generator)}
    state, grad, dtype = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_default_dtype()
    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def put_back() -> None:
        torch.set_rng_state(state)
        if on_devices:
            torch.cuda.set_rng_state_all(on_devices)
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
    return [put_back, *map(_of_module, modules.values()),
            *(partial(one.set_state, one.get_state()) for one in generators.values())]


def layer_operators(module: Any, dtype: str, shape: tuple[int, ...], channels_last: bool) -> list[Layer]:
    """The steps of a module, see `TorchWalk`, for images of that shape (C, H, W)."""
    layout, module = Layout.NHWC if channels_last else Layout.NCHW, _without_wrappers(module)
    refuse(module, layers=True)
    walk = TorchWalk(_in_dtype(module, dtype), dtype, _device_of(module), layout)
    steps = walk.steps((COUNT, *shape))
    whys = {index: NO_BATCH for index, step in enumerate(steps) if step.shape[:1] != (COUNT,)}
    whys |= dict.fromkeys(walk.targets, TARGET)
    layers = [layer_of(walk, index, step.shape[1:], step.layout is not None, (step.name, step.kind, step.layer),
                       step.layout is Layout.NHWC, step.takes, whys.get(index, "")) for index, step in enumerate(steps)]
    for index, own in walk.guessed.items():
        channels_first = (own[2], *own[:2]) if walk.layout is Layout.NHWC else own
        layers[index] = layers[index]._replace(up_to=UpTo(walk, index, channels_first))
    return layers


def _without_wrappers(module):
    """The module inside of DataParallel and of torch.compile, which compute the same."""
    while (name := WRAPPERS.get(type(module).__name__)) and owns(type(module)):
        module = getattr(module, name)
    return module


def _in_dtype(module, dtype):
    """A copy of the module in that dtype; the module itself if it cannot be copied."""
    try:
        module = copy.deepcopy(module)
    except Exception:                                   # it holds a lock, a stream, a tensor with a history, ...
        return module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                 # torch.jit: about gradients of its copies
        return module.to(getattr(sys.modules["torch"], dtype))


def _device_of(op):
    """The device of a module's first parameter or buffer; the CPU for other operators."""
    if not is_module(op):
        return "cpu"
    return next((one.device for one in (*op.parameters(), *op.buffers())), "cpu")


def _of_module(module):
    """A function that gives a module its mode, parameters and buffers back."""
    torch = sys.modules["torch"]
    training = module.training
    own, buffers = dict(module._parameters.items()), dict(module._buffers.items())
    values = [(one, one.data, one.detach().clone(), one.grad, None if one.grad is None else one.grad.clone(),
               one.requires_grad) for one in (*own.values(), *buffers.values())
              if isinstance(one, torch.Tensor) and not one.is_meta and not torch.nn.parameter.is_lazy(one)]

    def put_back():
        module.training = training
        for there, before in ((module._parameters, own), (module._buffers, buffers)):
            if isinstance(there, dict):                 # not of a module that torch.jit has compiled
                there.clear()
                there.update(before)
        with torch.no_grad():
            for one, memory, data, grad, slopes, requires_grad in values:
                if one.dtype != data.dtype or one.data_ptr() != memory.data_ptr():
                    one.data = memory                       # it was converted, as module.double() does
                if not _same(one, data):
                    one.data.copy_(data)
                one.grad = grad
                if grad is not None and not _same(grad, slopes):
                    grad.data.copy_(slopes)
                if one.requires_grad != requires_grad:
                    one.requires_grad_(requires_grad)
    return put_back


def _same(one, other):
    """Whether two tensors are equal bit by bit; -0 differs from 0, and NaN from everything."""
    torch = sys.modules["torch"]
    signs = one.is_floating_point()
    return torch.equal(one, other) and not (signs and (torch.signbit(one) != torch.signbit(other)).any())
