"""The steps of a network, and the network up to each of them. A walk of one library makes them: see `torch.walk`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from typing import Any, NamedTuple, Protocol

import numpy as np

from .given import AdapterError

ALIKE = {                               # the layer that does the same, for the table of reasons
    "conv2d": "Conv2d", "conv_transpose2d": "ConvTranspose2d", "max_pool2d": "MaxPool2d",
    "max_pool2d_with_indices": "MaxPool2d", "avg_pool2d": "AvgPool2d", "lp_pool2d": "LPPool2d",
    "adaptive_avg_pool2d": "AdaptiveAvgPool2d", "adaptive_max_pool2d": "AdaptiveMaxPool2d", "interpolate": "Upsample",
    "max_unpool2d": "MaxUnpool2d", "dropout": "Dropout", "dropout2d": "Dropout", "feature_dropout": "Dropout",
    "alpha_dropout": "Dropout", "batch_norm": "BatchNorm", "layer_norm": "LayerNorm", "linear": "Linear",
    "flatten": "Flatten", "ravel": "Flatten", "pixel_shuffle": "PixelShuffle", "pixel_unshuffle": "PixelUnshuffle"}
SILENT = (("padding", 0), ("padding", (0, 0)), ("dilation", 1), ("dilation", (1, 1)))      # settings that say nothing
COUNT = 5                               # images of the first pass: other axes seldom have this size
NO_BATCH = "its output has no part for each image"


class Enough(BaseException):
    """Raised to end a forward pass. No `except Exception` of the user's network stops it."""


class Layer(NamedTuple):
    """One step of a network.

    Attributes
    ----------
    name : str
        The name of an innermost module, as in "layer1.0.conv1", or of a function inside of a module, as in
        "layer1.0 / add".
    kind : str
        The repr of the module, or the call of the function with its settings, as in "F.pad(mode='reflect')".
    layer : Module or FunctionCall
        What `minicnn.adapters.reasons` reads.
    up_to : callable or None
        The network up to the output of this step: arrays (N, C, H, W) -> (N, C', H', W'). None if that is no image.
    rest : callable or None
        The same for another output: arrays (N, C, H, W) -> (N, numbers). A layer with both is the last one, and its
        output is an image by its number of axes only.
    channels_last : bool
        The layer has its channels in the last axis. `up_to` returns (N, C', H', W') nevertheless.
    takes : set of int
        The numbers of the steps whose outputs this one uses, as far as the walk knows them.
    unjudged : str
        Why the step has neither `up_to` nor `rest`.
    """

    name: str
    kind: str
    layer: Any
    up_to: Any
    rest: Any = None
    channels_last: bool = False
    takes: Set[int] = frozenset()
    unjudged: str = ""


def layer_of(walk: Walk, index: int, shape: tuple[int, ...], image: bool, described: tuple[str, str, Any],
             channels_last: bool = False, takes: Set[int] = frozenset(), unjudged: str = "") -> Layer:
    """Step `index` of a walk as a Layer.

    Parameters
    ----------
    walk : Walk
    index : int
    shape : tuple of int
        The shape of the output for one image, of an image (C, H, W).
    image : bool
        Whether the output is an image.
    described : (str, str, object)
        The name, kind and layer.
    channels_last, takes, unjudged
        As in `Layer`.
    """
    up_to = None if unjudged else UpTo(walk, index, shape if image else (math.prod(shape),))
    return Layer(*described, up_to if image else None, None if image else up_to, channels_last, takes, unjudged)


class Walk(Protocol):
    """A network whose steps can be seen. `dtype` is that of its images."""

    dtype: str

    def outputs(self, images: np.ndarray, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """The outputs of the wanted steps, by number, from one pass that ends after the last of them."""


class UpTo:
    """The network up to the output of step `index`."""

    def __init__(self, walk: Walk, index: int, shape: tuple[int, ...]):
        self.walk, self.index, self.shape = walk, index, shape              # shape: of the output for one image

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.walk.outputs(images, [self.index])[self.index]


def plain(array: np.ndarray, channels_last: bool) -> np.ndarray:
    """The output of a step as a walk returns it: an image as (N, C, H, W), another array as (N, numbers)."""
    if array.ndim != 4:
        return array.reshape(len(array), -1)
    return np.moveaxis(array, 3, 1) if channels_last else array


class FunctionCall:
    """A call of a function inside of a network. Its settings are attributes, named as those of the layer that is alike.

    >>> call = FunctionCall("MaxPool2d", {"stride": 2, "padding": 0})
    >>> call.layer_name, call.stride
    ('MaxPool2d', 2)
    """

    def __init__(self, layer_name: str, settings: dict[str, Any]):
        self.layer_name = layer_name
        vars(self).update(settings)


def function_call(name: str, settings: dict[str, Any]) -> FunctionCall:
    """The call of the function of that name, with the default that its layer has: the stride of a pool is its kernel.

    The index of getitem is a tuple in each call.

    >>> function_call("max_pool2d", {"kernel_size": 2}).stride
    2
    """
    settings = dict(settings)
    if name in ("getitem", "setitem"):
        index = settings.get("index", ())
        settings["index"] = index if isinstance(index, tuple) else (index,)
    if name.startswith("conv"):
        settings.setdefault("padding_mode", "zeros")
    if "pool" in name and settings.get("stride") is None and "kernel_size" in settings:
        settings = {**settings, "stride": settings["kernel_size"]}
    return FunctionCall(ALIKE.get(name, name), settings)


def call_text(label: str, settings: dict[str, Any], loose: Sequence[str] = ()) -> str:
    """A call as text, with the settings that say something: no None, no False, no padding of 0, no dilation of 1.

    `loose`: arguments whose names are not known.

    >>> call_text("F.conv2d", {"stride": 2, "padding": 0, "dilation": 1, "bias": None}), call_text("roll", {"dims": 0})
    ('F.conv2d(stride=2)', 'roll(dims=0)')
    """
    told = [f"{key}={value!r}" for key, value in settings.items() if value is not None and value is not False
            and (key, value) not in SILENT]
    return f"{label}({', '.join([*loose, *told])})" if loose or told else label


def refuse_other_steps(names: list[str], expected: list[str]) -> None:
    """Raise AdapterError if the steps of a pass are not those of the first one, up to its end."""
    if names == expected:
        return
    other = next((f"{a} instead of {b}" for a, b in zip(names, expected, strict=False) if a != b),
                 f"{len(names)} steps instead of {len(expected)}")
    raise AdapterError(f"the network took other steps for other images ({other}), so that its layers cannot be "
                       "compared: judge it as a whole, or the parts that always take the same steps")


def index_text(index: Any, count: int | None = None) -> str:
    """An index as it is written; the number of images is N.

    >>> index_text((slice(None), 0, slice(1, None, 2), ...)), index_text(None), index_text(slice(3), 3)
    ('[:, 0, 1::2, ...]', '[None]', '[:N]')
    """
    index = index if isinstance(index, tuple) else (index,)

    def text(one):
        if isinstance(one, slice):
            names = {count: "N", None: ""} if one is index[0] else {None: ""}
            parts = [names.get(part, str(part)) for part in (one.start, one.stop)]
            return ":".join(parts) + ("" if one.step is None else f":{one.step}")
        if isinstance(one, (int, type(None))):
            return str(one)
        return "..." if one is Ellipsis else "tensor"
    return f"[{', '.join(map(text, index))}]"
