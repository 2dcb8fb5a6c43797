"""Inside a network: filters, feature maps, the sizes of gradients, the graph of a computation."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
from collections import Counter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import imread
from matplotlib.ticker import NullFormatter

from ..autograd import Node
from ..checks import integer
from ..errors import InputError
from .style import AMOUNT, BLUE, GREY, SIGNED, add_colour_bar, add_grid, drawable

LINES = 60                      # the most lines of a graph that is drawn as text
DRAWN = 150                     # the most operations and leaves of a graph that Graphviz draws
SHIFTED = 12                    # the deepest indentation in a picture


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
    weight = drawable("filters", weight, "(K, C, kh, kw)")
    outs, ins, height, width = weight.shape
    columns = min(integer("filters: columns", columns, 1), outs)
    tiles, _ = _tiled(weight.reshape(-1, height, width), columns if ins == 1 else ins, 1)
    largest = float(np.nan_to_num(np.abs(weight)).max()) or 1.0
    image = ax.imshow(tiles, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation="nearest")
    add_colour_bar(image, ax, "weight")
    what = f"{outs} kernels of {height}x{width}" if ins == 1 else f"rows: {outs} outputs, columns: {ins} inputs"
    ax.set(xticks=[], yticks=[], title=what)
    ax.set_frame_on(False)
    return ax


def feature_maps(maps: np.ndarray, ax: Axes, columns: int = 5) -> Axes:
    """The channels of one feature map (C, H, W) on one colour scale, which begins at 0 if no value is negative."""
    maps = drawable("feature_maps", maps, "(C, H, W)")
    count, height, width = maps.shape
    tiles, corners = _tiled(maps, min(integer("feature_maps: columns", columns, 1), count), 2)
    for i, (y, x) in enumerate(corners):
        ax.text(x, y - 0.6, f"{i}", fontsize=7, color=GREY, va="bottom")
    image = ax.imshow(tiles, cmap=AMOUNT, vmin=min(0.0, float(np.nan_to_num(maps).min())), interpolation="nearest")
    add_colour_bar(image, ax, "activation")
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
    sizes = [_root_mean_square(parameter.grad) for _, parameter in found]
    ax.plot([size if np.isfinite(size) else np.nan for size in sizes], range(len(found)), "o", color=BLUE)
    positive = [size for size in sizes if 0 < size < np.inf] or [1.0]
    decades = np.floor(np.log10(min(positive))), np.ceil(np.log10(max(positive)) + 0.01)
    ax.set(xlim=10 ** np.array(decades),
           yticks=range(len(found)), yticklabels=_names(found, sizes), xscale="log",
           xlabel="root mean square of the gradient", title="Gradients, from the first layer (top) to the last")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.invert_yaxis()
    add_grid(ax)
    return ax


def _root_mean_square(array):
    """It does not overflow: the largest element is taken out of the squares."""
    array = np.asarray(array, np.float64)
    largest = np.abs(array).max(initial=0)
    if not np.isfinite(largest) or largest == 0:
        return float(largest)
    return float(min(max(largest * np.sqrt(np.mean((array / largest) ** 2)), 1e-150), 1e150))


def _names(found, sizes):
    return [name if np.isfinite(size) else f"{name} ({size})" for (name, _), size in zip(found, sizes, strict=True)]


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

    A computation of more than 150 operations and leaves is summarised: how many there are of each kind, and the first
    lines of `graph_text`.

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
    numbers, edges = _walk(tensor)
    picture = _graphviz(graph_source(tensor)) if len(numbers) <= DRAWN else None
    if picture is None:
        lines = list(itertools.islice(_text_lines(tensor, numbers, SHIFTED), LINES))
        more = len(edges) + 1 - len(lines)              # each edge has its line, and the result
        if more > 0:
            lines.append(f"... and {more:,} lines more: see graph_text")
        if len(numbers) > DRAWN:
            lines[:0] = [*_counts(numbers), ""]
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
    return "\n".join(_text_lines(tensor, _walk(tensor)[0]))


def _text_lines(tensor, numbers, deepest=None):
    """The lines of `graph_text`, one by one. Lines below a depth of `deepest` are indented no further."""
    stack, shown = [(tensor._node or tensor, 0)], set()
    while stack:
        node, depth = stack.pop()
        again = node in shown
        yield f"{'  ' * (depth if deepest is None else min(depth, deepest))}{numbers[node]} " \
              f"{'...' if again else _label(node)}"
        if not again:
            shown.add(node)
            stack += [(parent, depth + 1) for parent in reversed(_parents(node))]


def _counts(numbers):
    """Lines that say how many operations of each kind and how many leaves a graph has, the commonest first."""
    kinds = Counter(node.name if isinstance(node, Node) else "leaf" for node in numbers).most_common()
    shown = [f"{count:,} x {kind}" for kind, count in kinds[:8]]
    if len(kinds) > 8:
        shown.append(f"{len(kinds) - 8} kinds more")
    return [f"{len(numbers):,} operations and leaves:", *shown]


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
