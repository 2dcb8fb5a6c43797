"""Inside a network: filters, feature maps, the flow of gradients, the graph of a computation."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
from matplotlib.ticker import NullFormatter

from ..autograd import Node
from ..errors import InputError
from .classification import BLUE, GREY


def filters(weight, ax, columns=8):
    """The kernels of a convolution, (K, C, kh, kw): input channel after input channel within a row of outputs.

    One colour scale for all, blue below and red above 0, white lines between kernels. With one input channel the
    kernels fill rows of `columns`; with more, row k has the kernels of output channel k.
    """
    weight = np.asarray(weight)
    outs, ins, height, width = weight.shape
    columns = min(columns, outs) if ins == 1 else ins
    tiles = weight.reshape(-1, height, width)
    rows = -(-len(tiles) // columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, tile in enumerate(tiles):
        y, x = i // columns * (height + 1), i % columns * (width + 1)
        canvas[y:y + height, x:x + width] = tile
    largest = float(np.abs(weight).max()) or 1.0
    image = ax.imshow(canvas, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.7)
    what = f"{outs} kernels of {height}x{width}" if ins == 1 else f"rows: {outs} outputs, columns: {ins} inputs"
    ax.set(xticks=[], yticks=[], title=what)
    ax.set_frame_on(False)
    return ax


def feature_maps(maps, ax, columns=5):
    """The channels of one feature map (C, H, W) side by side, on one scale from 0 up if nothing is negative."""
    maps = np.asarray(maps)
    count, height, width = maps.shape
    columns, rows = min(columns, count), -(-count // min(columns, count))
    canvas = np.full((rows * (height + 2) - 2, columns * (width + 2) - 2), np.nan)
    for i, channel in enumerate(maps):
        y, x = i // columns * (height + 2), i % columns * (width + 2)
        canvas[y:y + height, x:x + width] = channel
        ax.text(x, y - 0.6, f"{i}", fontsize=7, color=GREY, va="bottom")
    image = ax.imshow(canvas, cmap="cividis", vmin=min(0.0, float(maps.min())), interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="activation", shrink=0.7)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{count} channels of {height}x{width}", pad=12)
    return ax


def gradient_flow(model, ax):
    """The root mean square of each weight's gradient, from the first layer to the last, after a backward pass.

    Raises
    ------
    ValueError
        There are no gradients: call backward first.
    """
    found = [(name, parameter) for name, parameter in model.named_parameters() if parameter.grad is not None]
    if not found:
        raise InputError("gradient_flow: no parameter has a gradient: compute a loss and call backward first")
    sizes = [float(np.sqrt(np.mean(parameter.grad ** 2))) for _, parameter in found]
    ax.plot(sizes, range(len(found)), "o", color=BLUE)
    positive = [size for size in sizes if size > 0] or [1.0]
    decades = np.floor(np.log10(min(positive))), np.ceil(np.log10(max(positive)) + 0.01)
    ax.set(xlim=10 ** np.array(decades),
           yticks=range(len(found)), yticklabels=[name for name, _ in found], xscale="log",
           xlabel="root mean square of the gradient", title="Gradients, from the first layer (top) to the last")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.invert_yaxis()
    ax.grid(True, color="0.92")
    ax.set_axisbelow(True)
    return ax


def graph_source(tensor):
    """The recorded computation of a Tensor in Graphviz's language: operations as boxes, leaves as ovals.

    >>> from minicnn import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(graph_source((x * x).sum()))
    digraph {
      0 [label="sum", shape=box]
      1 [label="mul", shape=box]
      2 [label="leaf (2,)", shape=oval]
      1 -> 0
      2 -> 1
      2 -> 1
    }
    """
    numbers, edges = _walk(tensor)
    lines = [f'  {number} [label="{_label(node)}", shape={"box" if isinstance(node, Node) else "oval"}]'
             for node, number in numbers.items()]
    return "\n".join(["digraph {", *lines, *(f"  {a} -> {b}" for a, b in edges), "}"])


def computation_graph(tensor, ax):
    """The recorded computation of a Tensor: drawn by Graphviz where its program `dot` is there, else as indented text.

    Raises
    ------
    ValueError
        Nothing was recorded.
    """
    if tensor._node is None:
        raise InputError("computation_graph: this Tensor was not computed from anything that requires a gradient")
    ax.set_axis_off()
    if shutil.which("dot"):
        from matplotlib.image import imread
        found = subprocess.run(["dot", "-Tpng", "-Gdpi=150"], input=graph_source(tensor).encode(), capture_output=True,
                               check=True)
        ax.imshow(imread(io.BytesIO(found.stdout)))
    else:
        ax.text(0, 1, graph_text(tensor), family="monospace", fontsize=7, va="top", transform=ax.transAxes)
    ax.set_title("What was recorded, the result first")
    return ax


def graph_text(tensor):
    """The recorded computation as indented text, the result first; what was shown before is only named.

    >>> from minicnn import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(graph_text((x * x).sum()))
    0 sum
      1 mul
        2 leaf (2,)
        2 ...
    """
    numbers, _ = _walk(tensor)
    lines, stack, shown = [], [(tensor._node or tensor, 0)], set()
    while stack:
        node, depth = stack.pop()
        again = node in shown
        lines.append(f"{'  ' * depth}{numbers[node]} {'...' if again else _label(node)}")
        if not again:
            shown.add(node)
            stack += [(parent, depth + 1) for parent in reversed(_parents(node))]
    return "\n".join(lines)


def _walk(tensor):
    """Every node with a number, and the edges (from, to) between numbers, from the result backwards."""
    root = tensor._node or tensor
    numbers, edges, queue = {root: 0}, [], [root]
    for node in queue:
        for parent in _parents(node):
            if parent not in numbers:
                numbers[parent] = len(numbers)
                queue.append(parent)
            edges.append((numbers[parent], numbers[node]))
    return numbers, edges


def _parents(node):
    return [parent for parent in node.parents if parent is not None] if isinstance(node, Node) else []


def _label(node):
    return node.name if isinstance(node, Node) else f"leaf {node.shape}"
