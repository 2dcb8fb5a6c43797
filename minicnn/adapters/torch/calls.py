"""Calls of PyTorch's functions: their names, their settings, and where the rows and columns of their results are."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..steps import FunctionCall, call_text, function_call, index_text

MOVES = {"permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims"}
SHAPES = {"reshape", "reshape_as", "view", "view_as", "unflatten", "Unflatten", "Fold", "fold", "irfft2", "irfftn",
          "real", "einsum", "cat", "stack", "squeeze"}          # they may make an image of a tensor that is none
FILLED = {"zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty",
          "new_tensor"}
FOREIGN = {"from_numpy", "as_tensor", "tensor", "asarray", "frombuffer", "from_dlpack"}    # of what is not seen
LIKE = {"to", "type_as", "expand_as", "view_as", "reshape_as", "broadcast_to"}     # of other tensors the shape or dtype
EMPTY = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"}
ESCAPES = {"numpy", "array", "dlpack", "data_ptr", "untyped_storage", "storage"}    # then other code can write into it
NO_STEPS = {"contiguous", "to", "type", "type_as", "float", "double", "half", "clone", "detach", "requires_grad",
            "expand", "expand_as", "cpu", "cuda", "data", "resolve_conj", "resolve_neg", "lift_fresh"}
OPERATORS = {"__rsub__": "sub", "__rtruediv__": "div", "__rdiv__": "div", "__rpow__": "pow", "__pow__": "pow",
             "__ipow__": "pow", "__rmatmul__": "matmul", "__matmul__": "matmul"}
POSITIONS = {                           # the names of positional arguments of functions that are compiled
    "conv2d": "input weight bias stride padding dilation groups",
    "conv_transpose2d": "input weight bias stride padding output_padding groups dilation",
    "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "max_pool2d": "input kernel_size stride padding",
    "max_pool2d_with_indices": "input kernel_size stride padding", "lp_pool2d": "input norm_type kernel_size stride",
    "fractional_max_pool2d": "input kernel_size output_size", "max_unpool2d": "input indices kernel_size stride",
    "adaptive_avg_pool2d": "input output_size", "adaptive_max_pool2d": "input output_size",
    "pixel_shuffle": "input upscale_factor", "pixel_unshuffle": "input downscale_factor", "pad": "input pad mode value",
    "flatten": "input start_dim end_dim", "roll": "input shifts dims", "flip": "input dims", "cat": "tensors dim",
    "layer_norm": "input normalized_shape", "mean": "input dim keepdim", "sum": "input dim keepdim",
    "amax": "input dim keepdim", "interpolate": "input size scale_factor", "grid_sample": "input grid",
    "dropout": "input p training", "unfold": "input kernel_size", "fold": "input output_size kernel_size"}


class Layout(enum.Enum):
    """Where an image has its rows and columns. The value is the order of the axes that makes it (N, C, H, W)."""

    NCHW = (0, 1, 2, 3)
    NHWC = (0, 3, 1, 2)

    def image(self, tensor: Any) -> Any:
        """The tensor as (N, C, H, W)."""
        return tensor.permute(self.value)


def tensors_in(value: Any) -> Iterator[Any]:
    """The tensors in a value: itself, or the parts of tuples, lists and dictionaries."""
    if isinstance(value, sys.modules["torch"].Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from tensors_in(one)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def memory_of(tensor: Any) -> Any:
    """What is the same for all tensors that share their memory."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):         # of a sparse tensor, and inside of torch.vmap
        return "id", id(tensor)


def versions_of(tensors: Iterable[Any]) -> list[int | None]:
    """How often each tensor was written into; None in inference mode, which does not count."""
    return [None if one.is_inference() else one._version for one in tensors]


def written_by(given: list[Any], before: list[int | None], outs: list[Any], in_place: bool) -> list[Any]:
    """The tensors among the arguments of a call into which it has written.

    `before`: their versions before the call. `in_place`: whether the call says it, for tensors without a version.
    """
    changed = [one for one, old in zip(given, before, strict=True) if old is not None and one._version != old]
    if changed or not in_place or None not in before:
        return changed
    return [one for one in given if any(one is other for other in outs)] or given[:1]


def plain_name(function: Any) -> str:
    """The name of a function without the underscores of operators and of functions that work in place."""
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":                               # an attribute, such as x.real
        name = function.__self__.__name__
    name = OPERATORS.get(name, name).strip("_")
    return name.removeprefix("fft_").removeprefix("linalg_")


def is_in_place(function: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call says that it writes into an argument, as `add_` and F.relu(inplace=True) do."""
    name = getattr(function, "__name__", "")
    return bool(kwargs.get("inplace")) or "out" in kwargs or name.endswith("_") and not name.endswith("__") or \
        name.startswith("__i") or name == "__setitem__"


def label_of(function: Any, args: tuple, count: int) -> str:
    """How a step is called: "F.relu", "torch.cat", "add", "[:, :, ::2]". "" for a function that is no step."""
    name = plain_name(function)
    if name in NO_STEPS:
        return ""
    if name in ("getitem", "setitem"):
        return index_text(args[1], count) + (" =" if name == "setitem" else "")
    known = sys.modules["torch"].overrides.resolve_name(function) or ""
    if known.startswith("torch.nn.functional."):
        return f"F.{name}"
    place = known.rpartition(".")[0].removesuffix(".functional")
    return name if place.startswith("torch.Tensor") or not place else f"{place}.{name}"


def described(function: Any, label: str, args: tuple, kwargs: dict[str, Any], places: tuple[int, ...] | None,
              layout: Layout | None, part: bool) -> tuple[FunctionCall, str]:
    """The call with its settings, and its text.

    `places`: the shape of a constant with a value for each position. `layout`: that of the result. `part`: the call
    writes into a part of a tensor.
    """
    torch = sys.modules["torch"]
    name = plain_name(function)
    names = POSITIONS.get(name, "").split()
    settings = {**dict(zip(names, args, strict=False)), **kwargs}
    settings = {key: value for key, value in settings.items() if not isinstance(value, torch.Tensor) and
                not any(True for _ in tensors_in(value)) and key != "_stacklevel"}
    loose = [repr(one) for one in args[len(names) or 1:] if isinstance(one, (int, float, str, tuple, list, torch.Size))
             and not any(True for _ in tensors_in(one))]
    text = label
    if name not in ("getitem", "setitem", *SHAPES):     # their settings are in the label, or the size of this batch
        text = call_text(label, settings, loose)
    if name in ("getitem", "setitem"):
        settings["index"] = args[1]
    return function_call(name, {**settings, "places": places, "part": part, "image": layout is not None}), text


def places_of(args: tuple, kwargs: dict[str, Any], layout: Layout | None, constants: dict) -> tuple[int, ...] | None:
    """The shape of a constant operand that has several rows or columns, in a call whose result has that layout."""
    axes = {Layout.NCHW: (-2, -1), Layout.NHWC: (-3, -2), None: (-2,)}[layout]
    for one in tensors_in((args, kwargs)):
        if id(one) in constants and any(one.ndim >= -axis and one.shape[axis] > 1 for axis in axes):
            return tuple(one.shape)
    return None


def layout_after(function: Callable | None, name: str, given: list[Any], made: Any, record: Any) -> Layout | None:
    """The layout of a result, None if it is no image.

    A result has the layout of the first image among the inputs, unless the function moves axes. A tensor that was no
    image becomes one if it has the size of an image that was seen before and comes from an index, from another shape
    or from more axes, or if a layer makes it that takes images.

    Parameters
    ----------
    function : callable or None
        A function that moves axes, with the tensor as its only parameter.
    name : str
        The name of the function, or of the class of the module.
    given : list of Tensor
    made : Tensor
    record
        It knows the layouts of tensors, the number of images and the sizes of images.
    """
    if made.ndim != 4 or made.shape[0] != record.count or made.is_complex():
        return None
    before = next((found for one in given if (found := record.layout_of(one)) is not None), None)
    if before is None and not any(record.knows(one) for one in given):
        before = Layout.NCHW                            # from a function that is not seen
    if function is not None:
        return _moved(function, before)
    if before is not None and name not in SHAPES:
        return before
    if "2d" in name or name in ("interpolate", "Upsample") or "pixel" in name.lower():
        return Layout.NCHW
    from_more = before is None and (name == "getitem" or any(one.ndim > 4 for one in given))
    if name not in SHAPES and not from_more:
        return before
    if before is not None and any(one.shape == made.shape for one in given):
        return before
    known = [layout for layout, size in ((Layout.NCHW, made.shape[2:]), (Layout.NHWC, made.shape[1:3]))
             if tuple(size) in record.sizes]
    return known[0] if known else before if name in ("cat", "stack", "squeeze", "real") else None


def _moved(function, before):
    """The layout after a function that moves axes: tried on a tensor whose axes all have different lengths."""
    if before is None:
        return None
    shape = {Layout.NCHW: (2, 3, 5, 7), Layout.NHWC: (2, 5, 7, 3)}[before]
    after = tuple(function(sys.modules["torch"].empty(shape)).shape)
    return {(2, 3): Layout.NCHW, (2, 5): Layout.NHWC, (2, 7): Layout.NHWC}.get(after[:2]) \
        if after[0] == 2 and (after[1] == 3 or after[3] == 3) else None
