"""Train a classifier: `fit`, `evaluate`, and runs that can be stopped and resumed with the same bits as a result."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint
from . import functional as F
from .autograd import no_grad
from .checkpoint import Checkpoint, CheckpointError
from .checks import integer, number
from .data import DataLoader, Dataset
from .errors import InputError, StateError
from .files import write_atomically
from .models import PRETRAINED
from .nn import Module
from .nn.calls import evaluating
from .optim import AdamW, OneCycleLR
from .progress import SILENT, Progress
from .tensor import Tensor

RESUMED = ("schedule", "history", "epoch", "batch", "sums", "best", "generators")
LAST, BEST, HISTORY = "last.safetensors", "best.safetensors", "history.jsonl"


def weights_file(given: str | Path | None = None) -> Path:
    """The file of weights. `given` is a file, or the directory of a run, which means its best weights.

    Without `given` it is the file in the package.

    >>> weights_file("runs/a.safetensors").name, weights_file().name
    ('a.safetensors', 'lenet.safetensors')
    """
    path = Path(str(PRETRAINED) if given is None else given)
    return path / BEST if path.is_dir() else path


class TrainingError(StateError):
    """Training cannot go on. The message says why and what to do."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the state was saved."""


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """The settings of `fit`. Its optimiser is AdamW with a one-cycle schedule.

    Every field has a default and, in its metadata, a help text. `minicnn train` makes an option from each field.

    Raises
    ------
    InputError
        A value that training cannot use.

    Examples
    --------
    >>> Settings(epochs=3).lr
    0.002
    >>> Settings(epochs=0)
    Traceback (most recent call last):
        ...
    minicnn.InputError: epochs must be an integer of at least 1, not 0
    """

    epochs: int = _setting(10, "how many times the training goes through all images")
    batch_size: int = _setting(64, "images in a step")
    lr: float = _setting(2e-3, "the highest learning rate of the one-cycle schedule")
    weight_decay: float = _setting(1e-2, "weight decay of AdamW")
    seed: int = _setting(1, "seed of all random numbers; the same seed gives the same weights on the same machine, bit "
                            "for bit")
    max_shift: int = _setting(0, "the most pixels by which each training image is moved, at random in each epoch")
    patience: int | None = _setting(None, "stop after N epochs without a smaller validation error")

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("max_shift", 0)):
            integer(name, getattr(self, name), least)
        if self.patience is not None:
            integer("patience", self.patience, 1)
        number("lr", self.lr, above=0)
        number("weight_decay", self.weight_decay, least=0)


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    Attributes
    ----------
    loss : float
        Mean cross-entropy.
    error : float
        Fraction of wrong answers, 0 to 1.
    predictions : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, classes)
    confusion : ndarray of int, shape (classes, classes)
        Row: true class; column: predicted.
    """

    loss: float
    error: float
    predictions: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    confusion: np.ndarray = field(repr=False)


def evaluate(model: Module, images: np.ndarray, labels: np.ndarray, batch_size: int = 256) -> Evaluation:
    """Error and loss of a model in evaluation mode. Afterwards the model is in its former mode again.

    Parameters
    ----------
    model : Module
        (N, C, H, W) -> logits (N, classes).
    images : ndarray, uint8 (n, H, W) or float (n, C, H, W)
    labels : ndarray of int, shape (n,)
    batch_size : int
        Images that the model computes at once.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        A label is not the number of a class, or `DataLoader` refuses the images.
    """
    with evaluating(model), no_grad():
        parts = [F.log_softmax(model(Tensor(x))).data for x, _ in DataLoader(images, labels, batch_size)]
    log_p = np.concatenate(parts)
    classes = log_p.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"the labels go from {labels.min()} to {labels.max()}, but the model has {classes} classes")
    predictions = log_p.argmax(1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    loss = -log_p[np.arange(len(labels)), labels].mean(dtype=np.float64)
    return Evaluation(float(loss), float((predictions != labels).mean()), predictions, np.exp(log_p), confusion)


def fit(model: Module, data: Dataset, settings: Settings | None = None, *, out: str | Path | None = None,
        resume: Checkpoint | None = None, progress: Progress = SILENT,
        extra_meta: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Train `model` on `data` and leave in it the weights with the least validation error.

    Parameters
    ----------
    model : Module
        (N, C, H, W) -> logits (N, classes).
    data : minicnn.data.Dataset
    settings : Settings, optional
    out : path, optional
        A directory for three files: `last.safetensors` (the state for resuming, written after each epoch and at
        Ctrl-C), `best.safetensors` (the weights with the least validation error) and `history.jsonl`.
    resume : Checkpoint, optional
        `checkpoint.load(out / "last.safetensors")`. The run goes on and gives the same bits as without a stop.
    progress : Progress
        `fit` updates it after each step and gives it a note at the end of each epoch.
    extra_meta : dict, optional
        Further entries in the metadata of the checkpoints, such as the name of the model.

    Returns
    -------
    list of dict
        The history, one record for each epoch: epoch, train_loss, train_error, val_loss, val_error (fractions), lr,
        seconds, images_per_s.

    Raises
    ------
    TrainingError
        The loss became NaN or infinite.
    CheckpointError, FileError
        A file in `out` could not be written.
    Interrupted
        At Ctrl-C, after the state was saved. A second Ctrl-C stops at once.

    Examples
    --------
    >>> from minicnn.data import load
    >>> from minicnn.models import MLP
    >>> history = fit(MLP(32, rng=np.random.default_rng(0)), load("mnist5k"), Settings(epochs=2))
    >>> [record["epoch"] for record in history], history[-1]["val_error"] < 0.2
    ([1, 2], True)
    """
    run = _Run(model, data, settings or Settings(), out, progress, extra_meta or {})
    if resume is not None:
        run.restore(resume)
    with _deferred_interrupt() as interrupted, np.errstate(over="ignore", invalid="ignore"):    # the loss is checked
        return run.train(interrupted)


class _Run:
    def __init__(self, model, data, settings, out, progress, extra_meta):
        self.model, self.data, self.settings, self.progress = model, data, settings, progress
        self.extra_meta, self.out = extra_meta, None if out is None else Path(out)
        self.batches = -(-len(data.train_images) // settings.batch_size)
        self.optimizer = AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        self.schedule = OneCycleLR(self.optimizer, settings.lr, total_steps=settings.epochs * self.batches)
        self.history, self.epoch, self.batch = [], 0, 0
        self.sums = {"loss": 0.0, "wrong": 0, "images": 0, "seconds": 0.0}
        self.best = None                          # (validation error, epoch, state) of the best epoch so far

    def train(self, interrupted):
        self.model.train()
        while self.epoch < self.settings.epochs and not self._out_of_patience():
            self._epoch(interrupted)
        if self.best is not None:
            self.model.load_state_dict(self.best[2])
        return self.history

    def _epoch(self, interrupted):
        settings = self.settings
        self._report()
        loader = DataLoader(self.data.train_images, self.data.train_labels, settings.batch_size, shuffle=True,
                            max_shift=settings.max_shift, rng=np.random.default_rng([settings.seed, self.epoch]))
        clock = time.perf_counter()
        for images, labels in loader.batches(self.batch):
            self._step(images, labels)
            self.batch += 1
            now = time.perf_counter()
            self.sums["seconds"], clock = self.sums["seconds"] + now - clock, now
            self._report(_numbers(self._running()))
            if interrupted.is_set():
                self._save(LAST)
                raise Interrupted(f"stopped in epoch {self.epoch + 1}, after {self.batch} of {self.batches} batches")
        self._epoch_ends()

    def _step(self, images, labels):
        self.optimizer.zero_grad()
        logits = self.model(Tensor(images))
        loss = F.cross_entropy(logits, labels)
        value = loss.item()
        if not np.isfinite(value):
            kept = "The checkpoint of the last epoch is unchanged" if self.history else "There is no checkpoint yet"
            raise TrainingError(f"the loss is {value} in epoch {self.epoch + 1}, batch {self.batch + 1}: try a smaller "
                                f"learning rate. {kept if self.out else ''}".rstrip())
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.sums["loss"] += value * len(labels)
        self.sums["wrong"] += int((logits.data.argmax(1) != labels).sum())
        self.sums["images"] += len(labels)

    def _report(self, numbers=""):
        steps = self.epoch * self.batches + self.batch
        self.progress.update(steps, self.settings.epochs * self.batches,
                             f"epoch {self.epoch + 1}/{self.settings.epochs}  {numbers}".rstrip())

    def _running(self):
        images, seconds = self.sums["images"], self.sums["seconds"]
        return {"train_loss": self.sums["loss"] / images, "train_error": self.sums["wrong"] / images,
                "images_per_s": images / max(seconds, 1e-9)}

    def _epoch_ends(self):
        result = evaluate(self.model, self.data.val_images, self.data.val_labels)
        running = self._running()
        record = {"epoch": self.epoch + 1, **running, "val_loss": result.loss, "val_error": result.error,
                  "lr": self.optimizer.lr, "seconds": self.sums["seconds"]}
        self.history.append(record)
        self.epoch, self.batch = self.epoch + 1, 0
        self.sums = {"loss": 0.0, "wrong": 0, "images": 0, "seconds": 0.0}
        if self.best is None or result.error < self.best[0]:
            self.best = result.error, record["epoch"], self.model.state_dict()
            self._save(BEST)
        self._save(LAST)
        self.progress.note(f"epoch {record['epoch']}/{self.settings.epochs}  {_numbers(record)}  "
                           f"validation error {record['val_error']:.2%}")

    def _out_of_patience(self):
        patience = self.settings.patience
        return patience is not None and self.best is not None and self.epoch - self.best[1] >= patience

    def _save(self, name):
        """Write the state that `restore` needs, and beside it the history for other programs."""
        if self.out is None:
            return
        best = None if self.best is None else {"val_error": self.best[0], "epoch": self.best[1]}
        generators = {n: m.rng.bit_generator.state for n, m in self.model.named_modules() if hasattr(m, "rng")}
        meta = {"settings": asdict(self.settings), "dataset": self.data.name, "epoch": self.epoch, "batch": self.batch,
                "sums": self.sums, "history": self.history, "best": best, "schedule": self.schedule.state_dict(),
                "generators": generators, **self.extra_meta}
        optimizer = self.optimizer.state_dict() if name == LAST else None
        checkpoint.save(self.out / name, self.model.state_dict(), optimizer, meta)
        lines = "".join(json.dumps(record) + "\n" for record in self.history)
        write_atomically(self.out / HISTORY, lines.encode())

    def restore(self, saved):
        meta = saved.meta
        lacking = [name for name in RESUMED if name not in meta] + ["the optimiser's state"] * (saved.optimizer is None)
        if lacking:
            raise CheckpointError(f"{saved.path or 'this checkpoint'} cannot be resumed: it lacks {', '.join(lacking)}."
                                  f" Give the {LAST} of a run")
        checkpoint.load_into(saved, self.model)
        self.optimizer.load_state_dict(saved.optimizer)
        self.schedule.load_state_dict(meta["schedule"])
        self.history, self.epoch, self.batch, self.sums = meta["history"], meta["epoch"], meta["batch"], meta["sums"]
        if meta["best"]:
            self.best = meta["best"]["val_error"], meta["best"]["epoch"], checkpoint.load(self.out / BEST).model
        for name, module in self.model.named_modules():
            if name in meta["generators"]:
                module.rng.bit_generator.state = meta["generators"][name]


def _numbers(record):
    return (f"loss {record['train_loss']:.4f}  accuracy {1 - record['train_error']:.2%}  "
            f"{record['images_per_s']:,.0f} images/s")


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Context manager: an Event that Ctrl-C sets. Thus a step is always finished. A second Ctrl-C stops at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def handler(number, frame):
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
