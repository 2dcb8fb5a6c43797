"""The history of a training: a list of records that a notebook shows as a table and a learning curve."""

from __future__ import annotations

import math
from typing import Any

from ..notebook import image, paragraph, table

MOST = 30                       # epochs in the table
COSTS = ("seconds", "images_per_s")                         # the last columns
NEEDED = ("epoch", "train_error", "val_error")
TITLES = {"train_loss": "training loss", "train_error": "training error", "val_loss": "validation loss",
          "val_error": "validation error", "lr": "learning rate", "images_per_s": "images/s"}


class History(list[dict[str, Any]]):
    """A list with a record, a dict, for each epoch; see `fit`.

    >>> History([{"epoch": 1, "val_error": 0.25}])[-1]["val_error"]
    0.25
    """

    def _repr_html_(self) -> str:
        """For notebooks: the last epochs as a table, in which the best one is bold, and the learning curve."""
        names = sorted(dict.fromkeys(name for record in self for name in record), key=lambda name: name in COSTS)
        shown = self[-MOST:]
        rows = [[_text(name, record.get(name)) for name in names] for record in shown]
        parts = [table([TITLES.get(name, name.replace("_", " ")) for name in names], rows, bold=_best(shown))]
        if len(shown) < len(self):
            parts.append(paragraph(f"the last {MOST} of {len(self):,} epochs"))
        if len(self) > 1 and all(isinstance(record.get(name), (int, float)) for record in self for name in NEEDED):
            parts.append(self._curve())
        return "".join(parts)

    def _curve(self):
        from .. import viz
        with viz.plain_style():
            figure, ax = viz.new_figure(6, 3.5)
            viz.learning_curve(self, ax)
            return image(figure._repr_png_(), "png", "the errors in training and validation over the epochs", 600)


def _best(records):
    """The number of the record with the least validation error, in a list; [] if there is none."""
    errors = [(record["val_error"], i) for i, record in enumerate(records)
              if isinstance(record.get("val_error"), (int, float)) and not math.isnan(record["val_error"])]
    return [min(errors)[1]] if errors else []


def _text(name, value):
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "" if value is None else str(value)
    if name.endswith("error"):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
