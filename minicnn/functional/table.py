"""The table of all operations, made from the code.

`python -m minicnn.functional.table` writes it to OPERATIONS.md beside this file. Operations come from the list of
`minicnn.functional`, the operators and methods of a Tensor, and the functions of NumPy that are recorded.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.special  # noqa: F401 (whose functions are recorded only if it is imported)

from .. import functional
from ..files import write_atomically
from ..tensor.methods import Methods
from ..tensor.numpy_functions import CONSTANT, recorded
from ..tensor.operators import Operators

PAGE = Path(__file__).with_name("OPERATIONS.md")

OPERATORS = {                   # method: how it is written, NumPy's name
    "__add__": ("x + y", "add"), "__sub__": ("x - y", "subtract"), "__mul__": ("x * y", "multiply"),
    "__truediv__": ("x / y", "divide"), "__pow__": ("x ** y", "power"), "__matmul__": ("x @ y", "matmul"),
    "__neg__": ("-x", "negative"), "__getitem__": ("x[index]", "getitem"),
}
TORCH = {                       # NumPy's name: PyTorch's, where it differs
    "array_split": "tensor_split", "astype": "to", "clip": "clamp", "concatenate": "cat", "divide": "div",
    "expand_dims": "unsqueeze", "max": "amax", "min": "amin", "moveaxis": "movedim", "multiply":
    "mul", "negative": "neg", "power": "pow", "repeat": "repeat_interleave", "split": "tensor_split", "subtract": "sub",
    "transpose": "permute",
}
HEAD = """# All operations

Made from the code by `python -m minicnn.functional.table`; do not edit. Each operation is one function with its forward
pass and its derivative: those of the first column in `minicnn/functional/`, the others in `minicnn/arithmetic/`.

- `minicnn.functional`: PyTorch's names, argument order and defaults.
- Methods and operators of a Tensor, and NumPy's functions of Tensors: NumPy's names and arguments (`axis`, `keepdims`,
  `ddof`). `np.exp(x)` of a Tensor is recorded; a function that would drop a gradient raises an error.
- The column PyTorch has PyTorch's name where it is another one.
- "d = ..." is the derivative: dx and dy are changes of the inputs x and y.

| functional | Tensor | NumPy | PyTorch | what it computes | source |
|---|---|---|---|---|---|
"""


class Row(NamedTuple):
    """One operation. A name is "" where the operation does not have it."""

    functional: str
    method: str
    numpy: str
    pytorch: str
    what: str
    source: str


def rows() -> list[Row]:
    """A row for each operation, in alphabetical order.

    >>> [row.method for row in rows() if row.functional == "var"]
    ['x.var']
    """
    found = {}
    groups: dict[Callable, list[Callable]] = {}
    for function, adapter in recorded().items():
        groups.setdefault(adapter, []).append(function)
    functions = {function.__name__: function for function in CONSTANT} | {group[0].__name__: group[0]
                                                                          for group in groups.values()}
    methods = _methods()
    for name in {*functional.__all__, *methods, *[group[0].__name__ for group in groups.values()]}:
        key = next((own for own, function in functions.items() if own == name or vars(np).get(name) is function), name)
        if key not in found:
            found[key] = _row(key, functions.get(key), methods)
    return sorted(found.values(), key=_first_name)


def _row(key, function, methods):
    """The row of an operation: `key` is its NumPy name if it has one."""
    names = [key, *[name for name, value in vars(np).items() if function is not None and value is function]]
    ours = next((name for name in names if name in functional.__all__), "")
    method = next((methods[name] for name in names if name in methods), None)
    described = [getattr(functional, ours)] if ours else []
    described += [recorded()[function]] if function in recorded() else []
    described += [method[1]] if method else []
    short = next((name for name in names if name in methods), key)         # np.abs for np.absolute
    numpy = "" if function is None else f"np.{short}" if vars(np).get(key) is function else f"scipy.special.{key}"
    what, source = next(((text, _source(one)) for one in described if (text := _first_line(one))), ("", ""))
    return Row(ours, method[0] if method else "", numpy, TORCH.get(key, ""), what, source)


def _methods():
    """NumPy's name: (how the method or operator is written, the method)."""
    found = {name: (f"x.{name}", method) for name, method in vars(Methods).items()
             if inspect.isfunction(method) and not name.startswith("_")}
    return found | {name: (text, vars(Operators)[method]) for method, (text, name) in OPERATORS.items()}


def _first_line(operation):
    return (inspect.getdoc(operation) or "").partition("\n")[0]


def _source(operation):
    """The section References of a docstring, in one line."""
    text = inspect.getdoc(operation) or ""
    found = re.search(r"^References\n-+\n(.*?)(?:\n\s*\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return " ".join(found.group(1).split()) if found else ""


def _first_name(row):
    return row.functional or re.sub(r"^(x|np|scipy\.special)\.", "", row.numpy or row.method)


def markdown() -> str:
    """The page OPERATIONS.md."""
    lines = []
    for row in rows():
        names = [f"`{name}`" if name else "" for name in row[:4]]
        texts = [text.replace("|", "\\|") for text in row[4:]]
        lines.append(f"| {' | '.join([*names, *texts])} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    write_atomically(PAGE, markdown().encode())
    print(f"{PAGE}: {len(rows())} operations")
