"""PyTorch's names that minicnn does not have, and what to write in their place: hints for AttributeErrors."""

from __future__ import annotations

from .numpy_adapters import recorded

ON_CPU = "nothing, because minicnn computes on the CPU"
TABLE = "minicnn/functional/OPERATIONS.md has the names of all operations"
METHODS = {                     # of a Tensor x
    "view": "x.reshape(...)", "permute": "x.transpose(...)", "unsqueeze": "x.expand_dims(axis)", "t": "x.T",
    "to": "x.astype(dtype); " + ON_CPU, "float": 'x.astype("float32")', "double": 'x.astype("float64")',
    "cpu": ON_CPU, "cuda": ON_CPU, "device": ON_CPU, "contiguous": "x itself",
    "clamp": "x.clip(low, high)", "amax": "x.max(axis)", "amin": "x.min(axis)", "movedim": "x.moveaxis(...)",
    "repeat_interleave": "x.repeat(...)", "expand": "x.broadcast_to(shape)", "numel": "x.size", "dim": "x.ndim",
    "mm": "x @ y", "bmm": "x @ y", "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y", "pow": "x ** y",
    "neg": "-x", "split": "np.split(x, ...), which takes the number of parts",
}
FUNCTIONS = {                   # of minicnn.functional, for arrays and Tensors x, y
    "cat": "np.concatenate([x, y], axis)", "concat": "np.concatenate([x, y], axis)", "clamp": "np.clip(x, low, high)",
    "unsqueeze": "np.expand_dims(x, axis)", "permute": "np.transpose(x, axes)", "movedim": "np.moveaxis(x, ...)",
    "mm": "x @ y", "bmm": "x @ y", "sub": "x - y", "mul": "x * y", "div": "x / y", "pow": "x ** y", "neg": "-x",
    "add": "x + y", "tensor_split": "np.array_split(x, ...)", "repeat_interleave": "np.repeat(x, ...)",
    "erf": "scipy.special.erf(x)", "abs": "np.abs(x)",
}
IN_FUNCTIONAL = {"relu", "sigmoid", "tanh", "softmax", "log_softmax", "flatten", "gelu", "silu", "softplus"}
MODULES = {                     # of an nn.Module called model
    "to": ON_CPU + "; layers take their dtype as an argument", "cpu": ON_CPU, "cuda": ON_CPU,
    "float": "layers take their dtype as an argument", "double": "layers take their dtype as an argument",
    "modules": "model.named_modules()", "children": "model.named_modules()", "named_children": "model.named_modules()",
    "apply": "for name, module in model.named_modules(): ...",
}


def method_hint(name: str) -> str:
    """What to write in place of `x.name` for a Tensor x; "" if PyTorch has no such method that is known here.

    >>> method_hint("view"), method_hint("square"), method_hint("colour")
    ('x.reshape(...)', 'np.square(x)', '')
    """
    if name in IN_FUNCTIONAL:
        return f"minicnn.functional.{name}(x)"
    return METHODS.get(name) or _in_numpy(name)


def function_hint(name: str) -> str:
    """What to write in place of `functional.name`; "" if it is not known.

    >>> function_hint("cat"), function_hint("exp"), function_hint("colour")
    ('np.concatenate([x, y], axis)', 'np.exp(x)', '')
    """
    return FUNCTIONS.get(name) or _in_numpy(name)


def _in_numpy(name):
    return f"np.{name}(x)" if any(name == function.__name__ for function in recorded()) else ""
