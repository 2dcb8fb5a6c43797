"""Training a classifier: `fit`, `evaluate`, and a run that can be stopped and resumed to the same bits."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from . import checkpoint
from . import functional as F
from .autograd import no_grad
from .data import DataLoader
from .errors import InputError, StateError
from .models import PRETRAINED
from .old_progress import Silent
from .optim import AdamW, OneCycleLR
from .tensor import Tensor

LAST, BEST, HISTORY = "last.safetensors", "best.safetensors", "history.jsonl"


def weights_file(given=None):
    """The file that a user means: a checkpoint, the best of a run's directory, or the package's where none is given.

    >>> weights_file("runs/a.safetensors").name, weights_file().name
    ('a.safetensors', 'lenet.safetensors')
    """
    path = Path(PRETRAINED if given is None else given)
    return path / BEST if path.is_dir() else path


class TrainingError(StateError):
    """Training cannot go on; the message says why and what to do."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the state was saved."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the weights that a run ends with, besides the data and the machine.

    AdamW on a one-cycle schedule whose learning rate peaks at `lr`. `max_shift` moves each training image by up to so
    many pixels, anew in each epoch. `patience` stops after so many epochs without a better validation error.
    """

    model: str = "lenet"
    epochs: int = 10
    batch_size: int = 64
    lr: float = 2e-3
    weight_decay: float = 1e-2
    seed: int = 1
    max_shift: int = 0
    patience: int | None = None
    algorithm: str = "auto"

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("max_shift", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be an integer of at least {least}, not {value!r}")
        if not self.lr > 0 or not np.isfinite(self.lr):
            raise InputError(f"lr must be a positive number, not {self.lr!r}")
        if not self.weight_decay >= 0:
            raise InputError(f"weight_decay must not be negative, it is {self.weight_decay!r}")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, not {self.patience!r}")


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

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


def evaluate(model, images, labels, batch_size=256) -> Evaluation:
    """Error and loss of a model in evaluation mode; its mode is put back afterwards.

    Parameters
    ----------
    images : ndarray, uint8 (n, H, W) or float (n, C, H, W)
    labels : ndarray of int, shape (n,)
    """
    mode = model.training
    model.eval()
    with no_grad():
        parts = [F.log_softmax(model(Tensor(x))).data for x, _ in DataLoader(images, labels, batch_size)]
    model.train(mode)
    log_p = np.concatenate(parts)
    classes = log_p.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"the labels go from {labels.min()} to {labels.max()}, but the model tells {classes} classes")
    predictions = log_p.argmax(1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    loss = -log_p[np.arange(len(labels)), labels].mean(dtype=np.float64)
    return Evaluation(float(loss), float((predictions != labels).mean()), predictions, np.exp(log_p), confusion)


def fit(model, data, settings=None, *, out=None, resume=None, reporter=None, extra_meta=None):
    """Train `model` on `data` and leave in it the weights with the least validation error.

    Parameters
    ----------
    model : Module
        (N, C, H, W) -> logits (N, classes).
    data : minicnn.data.Dataset
    settings : Settings
    out : path, optional
        A directory for `last.safetensors` (everything that resuming needs, written after each epoch and at Ctrl-C),
        `best.safetensors` (the weights with the least validation error) and `history.jsonl`.
    resume : Checkpoint, optional
        `checkpoint.load(out / "last.safetensors")`: go on as if the run had never stopped, to the same bits.
    reporter : object with the methods of `progress.Silent`, optional
    extra_meta : dict, optional
        Kept in the checkpoints' metadata.

    Returns
    -------
    list of dict
        The history, one record an epoch: epoch, train_loss, train_error, val_loss, val_error (fractions), lr, seconds,
        images_per_s.

    Raises
    ------
    TrainingError
        The loss became NaN or infinite.
    Interrupted
        At Ctrl-C, after the state was saved. A second Ctrl-C stops at once.
    """
    run = _Run(model, data, settings or Settings(), out, reporter or Silent(), extra_meta or {})
    if resume is not None:
        run.restore(resume)
    with _deferred_interrupt() as interrupted:
        return run.train(interrupted)


class _Run:
    def __init__(self, model, data, settings, out, reporter, extra_meta):
        self.model, self.data, self.settings, self.reporter = model, data, settings, reporter
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
        settings, steps = self.settings, self.settings.epochs * self.batches
        self.reporter.epoch_starts(self.epoch + 1, settings.epochs, self.batch, self.batches)
        loader = DataLoader(self.data.train_images, self.data.train_labels, settings.batch_size, shuffle=True,
                            max_shift=settings.max_shift, rng=np.random.default_rng([settings.seed, self.epoch]))
        clock = time.perf_counter()
        for images, labels in loader.batches(self.batch):
            self._step(images, labels)
            self.batch += 1
            now = time.perf_counter()
            self.sums["seconds"], clock = self.sums["seconds"] + now - clock, now
            self.reporter.step(self._running(), steps - self.epoch * self.batches - self.batch)
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
            raise TrainingError(f"the loss is {value} in epoch {self.epoch + 1}, batch {self.batch + 1}: try a smaller "
                                "--lr; the checkpoint of the last epoch is as it was")
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.sums["loss"] += value * len(labels)
        self.sums["wrong"] += int((logits.data.argmax(1) != labels).sum())
        self.sums["images"] += len(labels)

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
        self.reporter.epoch_ends(record, self.settings.epochs)

    def _out_of_patience(self):
        patience = self.settings.patience
        return patience is not None and self.best is not None and self.epoch - self.best[1] >= patience

    def _save(self, name):
        """Write everything that `restore` needs; the history beside it, for other programs to read."""
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
        checkpoint.write_atomically(self.out / HISTORY, lines.encode())

    def restore(self, saved):
        meta = saved.meta
        checkpoint.load_into(saved, self.model)
        self.optimizer.load_state_dict(saved.optimizer)
        self.schedule.load_state_dict(meta["schedule"])
        self.history, self.epoch, self.batch, self.sums = meta["history"], meta["epoch"], meta["batch"], meta["sums"]
        if meta["best"]:
            self.best = meta["best"]["val_error"], meta["best"]["epoch"], checkpoint.load(self.out / BEST).model
        for name, module in self.model.named_modules():
            if name in meta["generators"]:
                module.rng.bit_generator.state = meta["generators"][name]


@contextlib.contextmanager
def _deferred_interrupt():
    """An Event that Ctrl-C sets, so that a step is never cut in two; a second Ctrl-C interrupts as usual."""
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
