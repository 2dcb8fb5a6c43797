"""Why a layer breaks equivariance to shifts, in words, and what would mend it: by its class and its attributes.

The attributes of PyTorch's layers and of minicnn's have the same names. A function inside of a network is a
`FunctionCall` with these attributes; functions that no layer has are in `function_reasons`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .function_reasons import AROUND, function_reason
from .onnx.reasons import Node

CIRCULAR = "use padding_mode='circular'"
WRAPPED = "pad with F.pad(..., mode='circular')"
BEFORE = f"{WRAPPED} on the torus, or judge it in a window"      # for no padding_mode


def reason(layer: Any, domain: str, channels_last: bool = False) -> str:
    """What in the settings of a layer breaks equivariance, and what would mend it. "" if nothing in them does.

    Parameters
    ----------
    layer : Module of minicnn or of PyTorch, FunctionCall, or node of an ONNX graph
    domain : {"torus", "plane", "window"}
    channels_last : bool
        The layer's images have the shape (N, H, W, C).

    Examples
    --------
    >>> from minicnn.nn import MaxPool2d
    >>> reason(MaxPool2d(2), "torus")
    'its stride (2, 2) keeps only shifts by multiples of it: filter before it subsamples, as BlurPool2d does'
    """
    if isinstance(layer, Node):
        return layer.reason(domain)
    name = getattr(layer, "layer_name", type(layer).__name__)
    if channels_last and name in ("LayerNorm", "Linear"):
        return ""                       # it works on channels only
    parts = (_padding(layer, name, domain), _stride(layer, name), _kind(layer, name), _statistics(name, domain),
             function_reason(layer, name, domain))
    return "; ".join(part for part in parts if part)


def training_hint(op: Any) -> str:
    """What to do about the first layer of a Module that drops numbers or uses the batch, as in training; else "".

    >>> from minicnn.nn import Conv2d, Dropout, Sequential
    >>> network = Sequential(Conv2d(1, 1, 3), Dropout())
    >>> training_hint(network), training_hint(network.eval())
    ('module 1 (Dropout) is in training mode: call eval()', '')
    """
    modules = getattr(op, "named_modules", None)
    for name, part in () if modules is None or isinstance(op, type) else modules():
        kinds = [base.__name__ for base in type(part).__mro__]
        if getattr(part, "training", None) is True and any("Dropout" in one or "BatchNorm" in one for one in kinds):
            kind = type(part).__name__
            return f"module {name} ({kind}) is in training mode: call eval()" if name else \
                f"the {kind} is in training mode: call eval()"
    return ""


def _padding(layer, name, domain):
    width, mode = getattr(layer, "padding", 0), getattr(layer, "padding_mode", None)
    transposed = "Transpose" in name
    if "Pad" in name and "Circular" not in name:
        return f"it pads {name.partition('Pad')[0].lower() or 'in its own way'} at the border: {BEFORE}"
    if transposed:
        return _transposed(layer, domain)
    if mode is None and "Pool" not in name:
        return AROUND if "CircularPad" in name and domain != "torus" else ""
    padded = width.lower() != "valid" if isinstance(width, str) else np.any(np.asarray(width) != 0)
    if not padded:
        return ""
    if mode == "circular":
        return "" if domain == "torus" else AROUND
    where = "on the plane or in a window" if mode == "zeros" and domain == "torus" else "in a window"
    if mode == "zeros" and domain == "plane":
        return ""                       # on the plane the pixels beyond the border are zeros
    if "Pool" in name and not hasattr(layer, "circular"):
        return _padded_pool(layer, name, domain, width)
    kind = "zero padding" if mode == "zeros" else "padding" if mode is None else f"{mode} padding"
    return (f"its {kind} {width!r} makes pixels at the border: " if isinstance(width, str) else
            f"its {kind} of width {width} makes pixels at the border: ") + (
        f"{getattr(layer, 'circular', CIRCULAR)} on the torus, or judge it {where}")


def _statistics(name, domain):
    """Norms by the pixels of the whole image."""
    if domain == "torus" or not any(part in name for part in ("InstanceNorm", "GroupNorm", "instance_norm",
                                                              "group_norm")):
        return ""
    return ("its statistics are those of all pixels, and a shift moves pixels in and out at the border: judge it on "
            "the torus, or use the statistics of a batch (BatchNorm2d)")


def _transposed(layer, domain):
    """Windows of the output that overlap lack those of the opposite side."""
    kernel, stride = (np.max(getattr(layer, name, None) or default) for name, default in (("kernel_size", 99),
                                                                                           ("stride", 1)))
    if domain != "torus" or kernel <= stride and not np.any(getattr(layer, "output_padding", 0)):
        return ""
    mend = getattr(layer, "circular", f"before it, {WRAPPED}, and cut its output")
    return f"at the border of its output the pixels of the opposite side are missing: {mend}"


def _padded_pool(layer, name, domain, width):
    """A pool has no padding_mode."""
    if domain == "plane" and "Max" not in name:
        if getattr(layer, "count_include_pad", True):
            return ""
        return (f"count_include_pad=False divides by fewer pixels where a window reaches into the padding of width "
                f"{width}: use count_include_pad=True, or a pool without padding")
    return (f"its padding of width {width} makes pixels at the border: use a pool without padding; before it, "
            f"{BEFORE}")


def _stride(layer, name):
    stride = getattr(layer, "stride", None)
    if stride is None or isinstance(stride, str) or "Unpool" in name or name in ("Fold", "Unfold"):
        return ""
    pair = np.broadcast_to(np.asarray(stride).astype(int), 2)
    if (pair <= 1).all():
        return ""
    pair = tuple(int(one) for one in pair)
    if "Transpose" in name:
        return f"its stride {pair} makes the phases of the output differ: interpolate, and convolve with stride 1"
    return f"its stride {pair} keeps only shifts by multiples of it: filter before it subsamples, as BlurPool2d does"


def _kind(layer, name):
    if "Upsample" in name:
        if getattr(layer, "align_corners", None):
            return ("align_corners=True stretches the image by (m - 1) / (n - 1) for n and m pixels, so that a shift "
                    "moves no whole number of pixels: use align_corners=False")
        factor = getattr(layer, "scale_factor", None)
        if factor is not None and np.max(factor) < 1:
            return (f"it makes the image smaller, and keeps only shifts by multiples of {1 / np.max(factor):g}: filter "
                    "before it, with padding that fits the domain")
        if "linear" in str(getattr(layer, "mode", "")) or "cubic" in str(getattr(layer, "mode", "")):
            return ("it interpolates, and repeats the pixels at the border: enlarge with mode='nearest' and convolve, "
                    "or judge it in a window")
        return "it changes the size of the image, so that a shift of the input is another shift of the output"
    if "Adaptive" in name:
        if np.max(np.asarray(getattr(layer, "output_size", 1) or 1, float)) > 1:
            return ("its windows depend on the size of the image, and step over several pixels: filter, and pool with "
                    "a stride that you choose, or pool over all pixels")
        return "its windows depend on the size of the image; one output pixel has no place that could shift"
    if "Dropout" in name and getattr(layer, "training", False):
        return "it drops numbers at random in training: call eval()"
    if "BatchNorm" in name and getattr(layer, "training", False):
        return "in training it uses the other images of the batch: call eval()"
    if name == "LayerNorm" and getattr(layer, "elementwise_affine", True):
        return "its weight has a value for each position: normalize over channels only"
    if name in ("LSTM", "GRU", "RNN"):
        return "it reads the positions from one side: use a layer that treats all positions alike"
    if name in ("Flatten", "Linear", "Bilinear"):
        return "it treats each position in its own way: pool over all positions before it"
    if "PixelUnshuffle" in name or "PixelShuffle" in name or name in ("Fold", "Unfold", "MaxUnpool2d"):
        return "it moves pixels by their places in a fixed grid"
    return ""
