"""The page and the animation of a moving digit as results that a notebook shows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..checks import integer
from ..data import load
from ..errors import InputError, InputTypeError
from ..files import check_destination, write_atomically
from ..models import LeNet, lenet
from ..notebook import frame, image
from ..progress import SILENT, Part, Progress, shown
from .canvas import find_digit
from .exploration import explore
from .page import build
from .scene import Scene
from .texts import Texts

HEIGHT = 900                    # pixels of the page in a notebook
WIDTH = 850                     # pixels of the animation


class Page:
    """An HTML page that a notebook shows in a frame. `text` is the page; it needs no other file and no network.

    `title` is the name of the frame for those who hear the notebook.
    """

    def __init__(self, text: str, title: str):
        self.text, self.title = text, title

    def save(self, path: str | os.PathLike) -> None:
        """Write the page. A file of that name is replaced. Raises InputError if the name does not end in .html."""
        write_atomically(check_destination(path, (".html",)), self.text.encode())

    def __repr__(self) -> str:
        return f"Page({len(self.text.encode()) / 1e6:.2f} MB; a notebook shows it, save('page.html') writes it)"

    def _repr_html_(self) -> str:
        return frame(self.text, HEIGHT, self.title)


class Animation:
    """An animation that a notebook shows. `data` has the bytes of a GIF."""

    def __init__(self, data: bytes, alt: str):
        self.data, self.alt = data, alt

    def save(self, path: str | os.PathLike) -> None:
        """Write the GIF. A file of that name is replaced. Raises InputError if the name does not end in .gif."""
        write_atomically(check_destination(path, (".gif",)), self.data)

    def __repr__(self) -> str:
        return f"Animation({len(self.data) / 1e6:.2f} MB; a notebook shows it, save('digit.gif') writes it)"

    def _repr_html_(self) -> str:
        return image(self.data, "gif", self.alt, WIDTH)


def explorer(digits: Sequence[int] = (3, 7, 0), model: LeNet | None = None, *, language: str = "en",
             progress: Progress | bool = SILENT) -> Page:
    """The page of `minicnn explore`: the reader moves a digit, and the feature maps follow.

    Parameters
    ----------
    digits : sequence of int
        Classes, 0 to 9. The first embedded validation digit of each class is taken.
    model : LeNet, optional
        With a max-pool and `algorithm="direct"`. By default the trained LeNet of the package.
    language : {"en", "de", "fr"}
        Of the page.
    progress : Progress or bool
        True shows a bar.

    Returns
    -------
    Page
        A notebook shows it. `save(path)` writes it.

    Raises
    ------
    InputError
        There is no such digit or language, the page would have more than 3 MB, or the weights are not finite.
    InputTypeError
        The model is not a LeNet.
    StateError
        The algorithm is not equivariant to the last bit.

    Examples
    --------
    >>> page = explorer([3])
    >>> page.text[:15], "srcdoc" in page._repr_html_()
    ('<!doctype html>', True)
    """
    texts = Texts(language)
    source = texts("page.weights_package" if model is None else "page.weights_model")
    model = _model("explorer", model)
    data = load("mnist5k")
    indices = [find_digit(data, digit) for digit in _digits("explorer", digits)]
    with shown(progress, "explorer") as told:
        found = explore(model, data.val_images[indices], data.val_labels[indices].tolist(), indices, told)
    return Page(build(found, source, language=language), texts("page.title"))


def animation(digits: Sequence[int] = (3,), model: LeNet | None = None, *, route: str = "circle", layer: str = "conv4",
              k: int = 6, canvas: int | None = None, fps: float = 12, progress: Progress | bool = SILENT,
              beside: Sequence[str] = ()) -> Animation:
    """The animation of `minicnn animate`: a digit moves over a canvas, and its feature map moves along.

    Parameters
    ----------
    digits, route, layer, k, canvas, beside
        As for `Scene.compute`.
    model : LeNet, optional
        By default the trained LeNet of the package.
    fps : float
        Frames per second.
    progress : Progress or bool
        True shows a bar.

    Returns
    -------
    Animation
        A notebook shows it. `save(path)` writes it as a GIF.

    Raises
    ------
    InputError
        As `Scene.compute` and `viz.write_animation`.
    InputTypeError
        The model is not a LeNet.

    Examples
    --------
    >>> animation([3], canvas=29).data[:6]
    b'GIF89a'
    """
    model = _model("animation", model)
    digits = _digits("animation", digits)
    from ..viz import write_animation
    with shown(progress, "animation") as told, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "animation.gif"
        scene = Scene.compute(model, digits, route, layer, k, canvas, Part(told, 0.0, 0.25), beside)
        write_animation(path, scene, fps, Part(told, 0.25, 1.0))
        names = ", ".join(map(str, digits))
        return Animation(path.read_bytes(), f"a moving digit ({names}), and its feature map of {layer}, which moves "
                                            "along")


def _model(function: str, model: Any) -> LeNet:
    if model is None:
        return lenet(pretrained=True, algorithm="direct").eval()
    if not isinstance(model, LeNet):
        raise InputTypeError(f"{function}: the model must be a minicnn.models.LeNet, not a {type(model).__name__}")
    return model


def _digits(function: str, digits: Any) -> list[int]:
    if not isinstance(digits, (list, tuple)) or not digits:
        raise InputError(f"{function}: digits must be a list of classes, as in [3, 7], not {digits!r}")
    return [integer(f"{function}: a digit", digit, 0) for digit in digits]
