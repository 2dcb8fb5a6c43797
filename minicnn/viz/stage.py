"""The frames of an animation: T X, phi(T X) and T phi(X), for one layer in a row, for several layers in two rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from .style import AREA, BLACK, PHI, UNEQUAL, VERMILION, add_arrow, centred, difference_in_words, palette

ROW, GRID = (8.0, 3.4), (8.0, 4.5)      # inches: one layer, several layers
TITLE, SMALL = 12, 10                   # points
BELOW = 0.5, -0.045                     # a picture: the place of a text, in its width and height
T_X, PHI_T_X, T_PHI_X = r"$T\,X$", r"$\varphi(T\,X)$", r"$T\,\varphi(X)$"


class Stage(Figure):
    """A figure of one frame. `draw_frame` draws only what changes from frame to frame; `savefig` writes these pixels.

    Parameters
    ----------
    scene : minicnn.moving_digit.Scene
    captions : sequence of str
        A text for each frame.
    size : (float, float)
        Width and height in inches. They become so many pixels that both numbers are even, as H.264 needs them.
    dpi : float
    """

    def __init__(self, scene: Any, captions: Sequence[str], size: Sequence[float], dpi: float):
        even = [2 * round(side * dpi / 2) / dpi for side in size]
        super().__init__(figsize=(even[0], even[1]), dpi=dpi)
        self.agg = FigureCanvasAgg(self)
        self.scene, self.captions = scene, captions
        self.pictures: list[tuple[AxesImage, np.ndarray]] = []      # what changes: a picture, its frames
        self.words: list[tuple[Text, list[str]]] = []               # and a text
        (self._draw_row if len(scene.maps) == 1 else self._draw_grid)()
        self._explain()
        self.canvas.draw()                                          # all that does not change
        self.background = self.agg.copy_from_bbox(self.bbox)

    def draw_frame(self, index: int) -> None:
        """Draw a frame."""
        self.agg.restore_region(self.background)
        for picture, frames in self.pictures:
            picture.set_data(frames[index])
            picture.axes.draw_artist(picture)
        for text, words in self.words:
            text.set_text(words[index])
            text.set_color(VERMILION if words[index].startswith((UNEQUAL, "differ")) else BLACK)
            self.draw_artist(text)

    def pixels(self, index: int) -> np.ndarray:
        """Draw a frame, and return its pixels: uint8, shape (height, width, 3)."""
        self.draw_frame(index)
        return np.asarray(self.agg.buffer_rgba())[..., :3].copy()

    def savefig(self, fname: BinaryIO, **options: Any) -> None:  # type: ignore[override]
        """Write the pixels of the frame that was shown, as red, green, blue and alpha."""
        fname.write(self.agg.buffer_rgba())

    def _draw_row(self) -> None:
        shown, = self.scene.maps
        places: dict[str, Any] = {"left": 0.015, "right": 0.985, "top": 0.9, "bottom": 0.15, "wspace": 0.02}
        first, arrow, second, sign, third = self.subplots(1, 5, width_ratios=(9, 2, 9, 2, 9), gridspec_kw=places)
        self._add_digit(first, f"{T_X}: a {self.scene.noun}", TITLE)
        for ax, title, frames in ((second, f"{PHI_T_X}: its map", shown.colours),
                                  (third, f"{T_PHI_X}: the moved map", shown.moved)):
            self._add_map(ax, shown, frames)
            ax.set_title(title, fontsize=TITLE)
        second.text(*BELOW, f"{PHI}: {shown.title}, {shown.colours.shape[1]} x {shown.colours.shape[2]} pixels",
                    ha="center", va="top", transform=second.transAxes)
        add_arrow(arrow, PHI)
        sign.set_axis_off()
        words = [difference_in_words(one) for one in shown.differences]
        self._add_words(sign, (0.5, 0.5), [one[0] for one in words], fontsize=26, va="center")
        self._add_words(third, BELOW, [one[1] for one in words], va="top")

    def _draw_grid(self) -> None:
        count = len(self.scene.maps)
        grid = self.add_gridspec(2, 2 + count, left=0.01, right=0.99, top=0.93, bottom=0.07, wspace=0.12, hspace=0.2,
                                 width_ratios=(9, 3.5, *(9,) * count))
        self._add_digit(self.add_subplot(grid[:, 0]), f"{T_X}: a {self.scene.noun}", SMALL)
        add_arrow(self.add_subplot(grid[:, 1]), PHI, (0.05, 0.5), (0.65, 0.5))
        for column, shown in enumerate(self.scene.maps):
            above, below = (self.add_subplot(grid[row, 2 + column]) for row in (0, 1))
            for ax, frames, name in ((above, shown.colours, PHI_T_X), (below, shown.moved, T_PHI_X)):
                self._add_map(ax, shown, frames)
                if column == 0:
                    ax.text(-0.05, 0.5, name, ha="right", va="center", fontsize=TITLE, transform=ax.transAxes)
            above.set_title(shown.title, fontsize=SMALL)
            self._add_words(above, (0.5, -0.115), [" ".join(difference_in_words(one)) for one in shown.differences],
                            va="center", fontsize=SMALL)

    def _add_digit(self, ax: Axes, title: str, fontsize: float) -> None:
        picture = ax.imshow(self.scene.images[0], cmap="gray_r" if self.scene.noun == "digit" else "gray", vmin=0,
                            vmax=255, animated=True)
        self.pictures.append((picture, self.scene.images))
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=fontsize)
        self._add_words(ax, BELOW, list(self.captions), va="top", parse_math=False)

    def _add_map(self, ax: Axes, shown: Any, frames: np.ndarray) -> None:
        side, known = self.scene.images.shape[1], np.ma.masked_invalid(frames)
        colours = {"cmap": AREA, "vmin": 0, "vmax": 1} if shown.k is None else {
            "cmap": palette(shown.k), "vmin": -0.5, "vmax": shown.k - 0.5}
        picture = ax.imshow(known[0], interpolation="nearest", extent=centred(shown.span, side), animated=True,
                            **colours)
        self.pictures.append((picture, known))
        ax.set(xticks=[], yticks=[], xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))

    def _add_words(self, ax: Axes, at: tuple[float, float], words: list[str], **options: Any) -> None:
        text = ax.text(*at, "", ha="center", transform=ax.transAxes, animated=True, **options)
        self.words.append((text, words))

    def _explain(self) -> None:
        words = [f"$T$: the move;  $X$: the {self.scene.noun} in the middle;  equal colours: like activations (light "
                 "grey: as on an empty canvas)"]
        if any(np.isnan(one.moved).any() for one in self.scene.maps):
            words.append("dark grey: not known")
        self.text(0.5, 0.012, ";  ".join(words) + ".", ha="center", va="bottom", fontsize=7.5, color="0.3")
