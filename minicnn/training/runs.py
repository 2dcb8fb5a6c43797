"""Read finished and interrupted runs from their directories, to compare them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import checkpoint
from ..checkpoint import CheckpointError
from ..checkpoint.tensor_file import parsed
from ..data import Rules
from ..errors import FileError, InputError, MinicnnError
from ..files.reading import as_path, open_to_read
from .directory import LAST
from .history import History
from .resume import settings_of_run
from .settings import Settings

RESULT = "result.json"          # the file in which `minicnn train` writes the test error
LARGEST = 1 << 20               # bytes of this file


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What the directory of a run says about it.

    Attributes
    ----------
    directory : Path
    model, dataset : str
        Their names.
    settings : Settings
    history : History
        A record for each epoch that has ended.
    test_error : float or None
        As `minicnn train` wrote it at the end; None if it is not known.
    rules : Rules or None
        Those for the images; None if they are not known.
    initial : str or None
        The file of weights with which `minicnn train --from` began.
    """

    directory: Path
    model: str
    dataset: str
    settings: Settings
    history: History = dataclasses.field(repr=False)
    test_error: float | None
    rules: Rules | None = dataclasses.field(default=None, repr=False)
    initial: str | None = None

    @property
    def best(self) -> dict[str, Any] | None:
        """The record of the epoch with the least validation error; None before the first epoch has ended."""
        return min(self.history, key=lambda record: record["val_error"], default=None)

    @property
    def complete(self) -> bool:
        """Whether the run has had all its epochs, or has lost its patience."""
        patience, done, best = self.settings.patience, len(self.history), self.best
        return done >= self.settings.epochs or (
            patience is not None and best is not None and done - best["epoch"] >= patience)

    @property
    def seconds(self) -> float:
        """The time of the training steps."""
        return float(sum(record["seconds"] for record in self.history))


def read_run(directory: str | os.PathLike) -> RunRecord:
    """Read the directory of a run. Nothing is changed; the run may go on meanwhile.

    Raises
    ------
    CheckpointError
        It is not the directory of a run, or the state of the run is damaged.

    Examples
    --------
    >>> read_run("nowhere")
    Traceback (most recent call last):
        ...
    minicnn.checkpoint.CheckpointError: nowhere is not the directory of a run: it has no last.safetensors
    """
    path = as_path(directory)
    if not is_run(path):
        raise CheckpointError(f"{path} is not the directory of a run: it has no {LAST}")
    saved = checkpoint.load(path / LAST)
    settings = settings_of_run(saved)
    model, dataset = saved.meta.get("model"), saved.meta.get("dataset")
    if not isinstance(model, str) or not isinstance(dataset, str):
        raise CheckpointError(f"{saved.path}: its metadata are damaged: the names of model and data are "
                              f"{repr(model)[:80]} and {repr(dataset)[:80]}")
    history = History(saved.meta["history"])
    initial = saved.meta.get("from")
    return RunRecord(path, model, dataset, settings, history, _test_error(path / RESULT, len(history)),
                     _rules(saved.meta.get("rules")), initial if isinstance(initial, str) else None)


def _rules(found):
    """The Rules that a checkpoint remembers. None if there are none, or they are damaged: the rest can be shown."""
    try:
        return Rules(**found)
    except (TypeError, InputError):
        return None


def is_run(directory: Path) -> bool:
    """Whether a directory has the file from which a run is resumed."""
    return os.path.isfile(directory / LAST)


def find_runs(directory: str | os.PathLike) -> tuple[list[Path], list[Path]]:
    """The directories of runs, and the other ones, among a directory or, if it is no run, the directories in it.

    Raises
    ------
    FileError
        There is no such directory, or it cannot be read.
    """
    path = as_path(directory)
    if is_run(path):
        return [path], []
    try:
        inside = [path / entry.name for entry in sorted(os.scandir(path), key=lambda entry: entry.name)
                  if entry.is_dir() and not entry.name.startswith(".")]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"{path}: {reason}: name a directory with runs, or the directory of a run") from error
    runs = [one for one in inside if is_run(one)]
    return runs, [one for one in inside if one not in runs]


def differing(runs: Sequence[RunRecord]) -> list[str]:
    """The names of the settings that are not the same in all runs."""
    return [field.name for field in dataclasses.fields(Settings)
            if any(getattr(run.settings, field.name) != getattr(runs[0].settings, field.name) for run in runs[1:])]


def _test_error(path, epochs):
    """The test error in the result of a run with so many epochs. None if there is none, or it is of fewer epochs."""
    try:
        with open_to_read(path) as file:
            result = parsed(file.read(LARGEST))
    except (MinicnnError, OSError, ValueError):   # the run was interrupted, or is not of minicnn train
        return None
    error = result.get("test_error")
    known = isinstance(error, (int, float)) and not isinstance(error, bool) and 0 <= error <= 1
    return float(error) if known and result.get("epochs") == epochs else None
