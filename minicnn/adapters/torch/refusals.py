"""Modules of PyTorch that cannot be judged, and what the errors of PyTorch mean here: what to do instead."""

from __future__ import annotations

import re
import sys
from typing import Any

from ..given import AdapterError

SIZE = " (does it need a larger size, or other channels?)"
HINTS = {                               # a part of the message of PyTorch, and what to do
    r"CUDA|NVIDIA|HIP|MPS|XPU": "; it wants a device that is not there: move it to the CPU, as in .to('cpu')",
    r"meta tensor": "; its numbers are on the device 'meta', which holds none: load its weights on the CPU first",
    r"scalar types?:? (Long|Int)|type Long": "; it takes integers, and pixels are numbers in floating point: judge the "
                                             "part after the embedding",
    r"not implemented for 'Double'|type Double": "; it takes no float64: give dtype='float32'",
    r"more than 1 value per channel": "; in training it uses the other images of the batch: call eval()",
    r"invalid for input of size": "; its number of images or their size is fixed: it must take any number of images of "
                                  "the given size, as in x.view(len(x), ...)",
    r"to have \d+ channels|cannot be multiplied|must match|normalized_shape|Kernel size can't be greater|too small|"
    r"output size|padding size should": SIZE,
}


def refuse(module: Any, layers: bool = False) -> None:
    """Raise AdapterError for a module without numbers; with `layers`, also for one whose layers cannot be seen."""
    torch = sys.modules["torch"]
    for name, one in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(one):
            raise AdapterError(f"the module is not initialised: its parameter {name} gets a shape in the first call. "
                               "Call it once with an image, as in net(torch.zeros(1, C, H, W)), and judge it then")
        if one.is_meta:
            raise AdapterError(f"the module's {name} is on the device 'meta', which holds no numbers: load its weights "
                               "first, as in net.to_empty(device='cpu') and net.load_state_dict(...)")
    if layers and isinstance(module, torch.jit.ScriptModule):
        raise AdapterError("the module was compiled by torch.jit, so that its layers cannot be seen: give the module "
                           "that was compiled, or judge this one as a whole, without its layers")


def hint(error: BaseException) -> str:
    """What an error of PyTorch means here, and what to do; "" if nothing is known.

    >>> hint(RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x64 and 49x3)"))
    ' (does it need a larger size, or other channels?)'
    """
    if not isinstance(error, (RuntimeError, AssertionError)):
        return ""
    return next((text for part, text in HINTS.items() if re.search(part, str(error))), "")
