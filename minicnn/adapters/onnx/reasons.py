"""Why a node of an ONNX graph breaks equivariance to shifts, in words, and what would mend it: by its attributes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

WRAP = "pad with mode='wrap' before it on the torus, or judge it in a window without padding"
PLANE = "pad with mode='wrap' before it on the torus, or judge it on the plane or in a window"
STATISTICS = ("InstanceNormalization", "GroupNormalization", "LayerNormalization", "MeanVarianceNormalization",
              "LpNormalization")
WHOLE = ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",
         "ReduceL1", "ReduceL2", "ReduceLogSumExp")
POINTWISE = ("LayerNormalization", "Add", "Sub", "Mul", "Div", "Pow", "Where", "Sum", "Min", "Max", "PRelu")
ORDERED = ("CumSum", "LSTM", "GRU", "RNN", "ReverseSequence")
RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


class Node(NamedTuple):
    """What is known of a node.

    `arrays` are its inputs: of one that depends on the image only the shape counts. `axes` are those of the image.
    """

    operator: str
    attributes: dict[str, Any]
    arrays: tuple[np.ndarray, ...]
    constant: tuple[bool, ...]
    axes: str
    out: tuple[int, ...]

    @classmethod
    def of(cls, node: Any, values: dict[str, np.ndarray], axes: dict[str, Any], depends: set[str]) -> Node:
        """A node of a graph whose values are known for one image."""
        import onnx
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        attributes = {name: value.decode() if isinstance(value, bytes) else value
                      for name, value in attributes.items()}
        own = next(filter(None, (axes.get(name) for name in (*node.input, *node.output))), "nchw")
        out = values[next(filter(None, node.output))].shape
        return cls(node.op_type, attributes, tuple(values.get(name, np.zeros(0)) for name in node.input),
                   tuple(name not in depends for name in node.input), own, out)

    def __repr__(self):
        """As in "Conv(kernel_shape=[3, 3], strides=[2, 2])"."""
        shown = {name: value for name, value in self.attributes.items() if isinstance(value, (int, float, str, list))}
        return f"{self.operator}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def places(self) -> tuple[int, ...] | None:
        """The shape of a constant with a value for each position that the node adds, multiplies, ...; None if none.

        Of an array that is no image, a constant that varies along two axes has one.
        """
        for array, constant in zip(self.arrays, self.constant, strict=True):
            if self.operator not in POINTWISE or not constant or array.size <= 1 or array.ndim > len(self.out):
                continue
            full = array.reshape((1,) * (len(self.out) - array.ndim) + array.shape)
            varied = [axis for axis in range(full.ndim) if (full != full.take([0], axis)).any()]
            if set(varied) & set(self.spatial) if full.ndim == 4 else len(varied) > 1:
                return array.shape
        return None

    @property
    def spatial(self) -> tuple[int, int]:
        """The places of the axes H and W."""
        return (1, 2) if self.axes == "nhwc" else (2, 3)

    def reason(self, domain: str) -> str:
        """What in the node breaks equivariance, and what would mend it. "" if nothing in it does."""
        parts = (_padding(self, domain), _stride(self), _windows(self), _resize(self), _constants(self),
                 _places(self), _whole_image(self, domain))
        return "; ".join(filter(None, parts))


def _padding(node, domain):
    if node.operator == "Pad":
        return _pad_node(node, domain)
    widths = _widths(node)
    if node.operator == "ConvTranspose":
        kernel = node.attributes.get("kernel_shape") or node.arrays[1].shape[2:]
        strides = node.attributes.get("strides") or [1, 1]
        lacking = domain == "torus" and any(k > s for k, s in zip(kernel, strides, strict=True))
        return ("at the border of its output the pixels of the opposite side are missing: pad with mode='wrap' before "
                "it, and cut its output") * lacking
    if not any(widths):
        return ""
    text = f"of width {widths[0]}" if len(set(widths)) == 1 else f"of widths {widths} (top, left, bottom, right)"
    if "Pool" in node.operator:
        if node.operator == "MaxPool":
            return f"its windows at the border reach into padding {text} and see fewer pixels: {WRAP}"
        if not node.attributes.get("count_include_pad", 0):
            return (f"count_include_pad=0 divides by fewer pixels where a window reaches into the padding {text}: set "
                    "count_include_pad=1 and judge it on the plane, or do not pad")
    return "" if domain == "plane" else (f"its zero padding {text} makes pixels at the border: "
                                         f"{PLANE if domain == 'torus' else WRAP}")


def _widths(node):
    """(top, left, bottom, right) of the padding, also that of auto_pad."""
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID") or len(node.arrays[0].shape) != 4:
        pads = node.attributes.get("pads", [0] * 4) if auto == "NOTSET" else [0] * 4
        return tuple(pads) if node.operator in ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool") else (0,)
    kernel = node.attributes.get("kernel_shape") or node.arrays[1].shape[2:]
    strides, dilations = (node.attributes.get(name) or [1, 1] for name in ("strides", "dilations"))
    whole = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
             for n, k, s, d in zip(node.arrays[0].shape[2:], kernel, strides, dilations, strict=True)]
    small, large = [n // 2 for n in whole], [n - n // 2 for n in whole]
    return (*small, *large) if auto == "SAME_UPPER" else (*large, *small)


def _pad_node(node, domain):
    mode = node.attributes.get("mode", "constant")
    if mode == "wrap":
        return "" if domain == "torus" else "it pads with the pixels of the opposite side: judge it on the torus"
    if mode == "constant" and domain == "plane":
        return ""
    kind = {"constant": "a constant", "reflect": "mirrored pixels", "edge": "the pixels of the edge"}.get(mode, mode)
    return f"it pads with {kind} (mode {mode}), and so makes pixels at the border: use mode='wrap' on the torus, or " \
           "judge it in a window without padding"


def _stride(node):
    strides = node.attributes.get("strides", [])
    if node.operator == "Slice" and len(node.arrays) > 4 and node.constant[4]:
        axes = [int(axis) % len(node.out) for axis in node.arrays[3]]
        steps = dict(zip(axes, map(int, node.arrays[4]), strict=True))
        strides = [abs(steps.get(axis, 1)) for axis in node.spatial]
    if all(step <= 1 for step in strides):
        return ""
    pair = tuple(strides)
    if node.operator == "ConvTranspose":
        return f"its stride {pair} makes the phases of the output differ: interpolate, and convolve with stride 1"
    return (f"its stride {pair} keeps only shifts by multiples of it: filter before it subsamples, as a convolution "
            "with a blur kernel does")


def _windows(node):
    if node.attributes.get("ceil_mode") and "Pool" in node.operator:
        return "ceil_mode=1 adds windows that lie only partly in the image: use ceil_mode=0, or a size that divides"
    if node.operator == "BatchNormalization" and node.attributes.get("training_mode"):
        return "with training_mode=1 it uses the other images of the batch: export the model in evaluation mode"
    if node.operator in RANDOM or node.operator == "Dropout":
        return "it draws numbers at random: export the model in evaluation mode"
    return ""


def _resize(node):
    if node.operator not in ("Resize", "Upsample"):
        return ""
    sizes = [(node.arrays[0].shape[axis], node.out[axis]) for axis in node.spatial]
    place = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if place == "align_corners":
        return ("coordinate_transformation_mode align_corners stretches the image by (n m - 1) / (n - 1): export with "
                "align_corners=False")
    text = ""
    if any(after > before for before, after in sizes):
        text = "it enlarges the image, so that a shift of the input is a larger shift of the output"
    elif any(after < before for before, after in sizes):
        text = "it makes the image smaller, and keeps only shifts by multiples of the factor: filter before it"
    if text and node.attributes.get("mode", "nearest") != "nearest":
        text += "; its interpolation has no pixels beyond the border and repeats the last ones"
    return text


def _constants(node):
    """Arrays that are added, multiplied or compared, and have a value for each position."""
    places = node.places
    if places is None:
        return ""
    word = {"Add": "adds", "Sub": "subtracts", "Mul": "multiplies by", "Div": "divides by"}.get(node.operator, "uses")
    return (f"it {word} a constant of shape {list(places)} with a value for each position, as a position embedding "
            "has: leave it out, or let it have one value for each channel")


def _places(node):
    """Operators that mix the positions, or move pixels by their place in the image."""
    spatial = node.spatial
    if node.operator in ("Gemm", "MatMul", "Einsum"):
        return ("it has a weight for each position, or mixes positions: pool over all positions before it, as "
                "GlobalAveragePool does")
    if node.operator in ("Flatten", "Reshape") and len(node.out) == 2:
        return ("it gives each position a place of its own: pool over all positions before it, as GlobalAveragePool "
                "does")
    if node.operator in ("Flatten", "Reshape"):
        return "it moves pixels into other rows and columns: keep the axes of the image"
    if node.operator in ("DepthToSpace", "SpaceToDepth"):
        return "it moves pixels by their places in a fixed grid"
    if node.operator in ("GridSample", "RoiAlign", "AffineGrid"):
        return "it takes pixels from places that are fixed in the image"
    if node.operator == "Transpose":
        return "it turns the image, so that a shift down becomes a shift across"
    if node.operator in ("Concat", "Split") and node.attributes.get("axis", 0) % len(node.out) in spatial:
        return f"it joins or splits images along the axis {node.attributes['axis']}: use the axis of the channels"
    if node.operator in ("GatherND", "GatherElements", "ScatterND", "ScatterElements", "Scatter"):
        return "it takes or writes pixels at fixed places of the image"
    if node.operator in ORDERED and (node.operator != "CumSum" or any(
            axis % len(node.out) in spatial for axis in np.ravel(node.arrays[1]).astype(int))):
        return "it goes through the positions from one side: use a layer that treats all positions alike"
    if node.operator == "Slice" and _stride(node):
        return ""
    if node.operator in ("Slice", "Gather") and node.arrays[0].ndim == len(node.out) == 4 and any(
            node.arrays[0].shape[axis] != node.out[axis] for axis in spatial):
        return "it cuts a part out of the image, at a fixed place"
    return ""


def _whole_image(node, domain):
    """Operators that use all pixels of an axis. On the torus they are equivariant or invariant."""
    if domain == "torus":
        return ""
    if node.operator in WHOLE:
        return ("it pools over all pixels up to the border, where a shift moves pixels in and out: judge it on the "
                "torus, or pool over the inside")
    if node.operator in STATISTICS:
        return ("its statistics are those of all pixels, and a shift moves pixels in and out at the border: judge it "
                "on the torus, or use the statistics of a batch (BatchNormalization)")
    if node.operator in ("Softmax", "LogSoftmax", "Hardmax", "TopK") and (
            node.attributes.get("axis", -1) % len(node.out) in node.spatial):
        return (f"it works along the axis {node.attributes.get('axis', -1)} of the image, where a shift moves pixels "
                "in and out: let it work along the channels")
    return ""
