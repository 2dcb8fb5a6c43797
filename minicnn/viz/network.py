"""Inside a network: filters, feature maps, the sizes of gradients, the graph of a computation."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import imread
from matplotlib.ticker import NullFormatter

from ..autograd import Node
from ..errors import InputError
from .style import AMOUNT, BLUE, GREY, SIGNED, add_grid

LINES = 60                      # the most lines of a graph that is drawn as text


def filters(weight: np.ndarray, ax: Axes, columns: int = 8) -> Axes:
    """The kernels of a convolution on one colour scale, blue below and red above 0.

    Parameters
    ----------
    weight : ndarray, shape (K, C, kh, kw)
        With C = 1 the K kernels fill rows of `columns`. Otherwise row k has the C kernels of output channel k.
    ax : Axes
    columns : int
        The number of kernels in a row, if C = 1.
    """
    weight = np.asarray(weight)
    outs, ins, height, width = weight.shape
    tiles, _ = _tiled(weight.reshape(-1, height, width), min(columns, outs) if ins == 1 else ins, 1)
    largest = float(np.abs(weight).max()) or 1.0
    image = ax.imshow(tiles, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.7)
    what = f"{outs} kernels of {height}x{width}" if ins == 1 else f"rows: {outs} outputs, columns: {ins} inputs"
    ax.set(xticks=[], yticks=[], title=what)
    ax.set_frame_on(False)
    return ax


def feature_maps(maps: np.ndarray, ax: Axes, columns: int = 5) -> Axes:
    """The channels of one feature map (C, H, W) on one colour scale, which begins at 0 if no value is negative."""
    maps = np.asarray(maps)
    count, height, width = maps.shape
    tiles, corners = _tiled(maps, min(columns, count), 2)
    for i, (y, x) in enumerate(corners):
        ax.text(x, y - 0.6, f"{i}", fontsize=7, color=GREY, va="bottom")
    image = ax.imshow(tiles, cmap=AMOUNT, vmin=min(0.0, float(maps.min())), interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="activation", shrink=0.7)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{count} channels of {height}x{width}", pad=12)
    return ax


def _tiled(images, columns, gap):
    """Images (n, H, W) row by row in one array, with gaps of NaN; and the upper left corner of each image."""
    count, height, width = images.shape
    steps = height + gap, width + gap
    paper = np.full((-(-count // columns) * steps[0] - gap, columns * steps[1] - gap), np.nan)
    corners = [(i // columns * steps[0], i % columns * steps[1]) for i in range(count)]
    for image, (y, x) in zip(images, corners, strict=True):
        paper[y:y + height, x:x + width] = image
    return paper, corners


def gradient_flow(model: Any, ax: Axes) -> Axes:
    """The root mean square of each parameter's gradient, from the first layer to the last, after a backward pass.

    Parameters
    ----------
    model : Module
    ax : Axes

    Raises
    ------
    InputError
        No parameter has a gradient.
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
    add_grid(ax)
    return ax


def graph_source(tensor: Any) -> str:
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


def computation_graph(tensor: Any, ax: Axes) -> Axes:
    """The recorded computation of a Tensor, drawn by Graphviz's program `dot`. Without `dot` it is indented text.

    Parameters
    ----------
    tensor : Tensor
    ax : Axes

    Raises
    ------
    InputError
        Nothing was recorded.
    """
    if tensor._node is None:
        raise InputError("computation_graph: this Tensor was not computed from anything that requires a gradient")
    ax.set_axis_off()
    picture = _graphviz(graph_source(tensor))
    if picture is None:
        lines = graph_text(tensor).splitlines()
        if len(lines) > LINES:
            lines[LINES:] = [f"... and {len(lines) - LINES} lines more: see graph_text"]
        size = 7 * min(1, 60 / max(map(len, lines)))
        ax.text(0, 1, "\n".join(lines), family="monospace", fontsize=size, va="top", transform=ax.transAxes,
                in_layout=False)
    else:
        ax.imshow(picture)
    ax.set_title("What was recorded, the result first")
    return ax


def _graphviz(source):
    """The picture of a graph, or None if Graphviz is not installed or cannot draw it."""
    if not shutil.which("dot"):
        return None
    drawn = subprocess.run(["dot", "-Tpng", "-Gdpi=150"], input=source.encode(), capture_output=True)
    return None if drawn.returncode else imread(io.BytesIO(drawn.stdout))


def graph_text(tensor: Any) -> str:
    """The recorded computation as indented text, the result first. A repeated node is "...".

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
