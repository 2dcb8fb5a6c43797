"""`fit`: the loop of a training, what it saves, and how it stops."""

from __future__ import annotations

import contextlib
import functools
import time
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import checkpoint
from .. import functional as F
from ..checkpoint import Checkpoint
from ..checks import communicator
from ..data import DataLoader, Dataset, shard_of
from ..distributed import DataParallel, agree
from ..errors import StateError
from ..files import write_atomically
from ..files.json_text import as_json
from ..models import name_of, sizes_of
from ..nn import Module
from ..nn.utils import clip_grad_norm_
from ..optim import ReduceLROnPlateau
from ..progress import SILENT, Progress, shown
from ..progress.interrupts import SIGNALS, deferred
from ..progress.ranks import together
from ..tensor import Tensor
from .directory import BEST, HISTORY, LAST, claimed
from .evaluation import evaluate
from .history import History
from .optimization import joint_state, make_average, make_optimizer, make_schedule
from .resume import check_resume, data_checksum, facts_of, generator_states, restore, rules_of
from .settings import Settings, TrainingError
from .start import check_arguments, check_model_on_data, check_storable


def fit(model: Module, data: Dataset, settings: Settings | None = None, *, out: str | Path | None = None,
        resume: Checkpoint | None = None, progress: Progress | bool = SILENT,
        extra_meta: dict[str, Any] | None = None, comm: Any = None) -> History:
    """Train `model` on `data` and leave in it the weights with the least validation error.

    All that would stop the training later is checked before its first step. The training begins with the weights that
    the model has: for fine-tuning, put others into it by `start_from` or `minicnn.checkpoint.load_into`.

    Parameters
    ----------
    model : Module
        (N, C, H, W) -> logits (N, classes).
    data : minicnn.data.Dataset
        Of any size, in grey or colour. Its images may be lazy or memory-mapped: they are read batch by batch.
    settings : Settings, optional
        By default `Settings()`; with `resume` the settings of that run. They may differ from these in one thing: more
        epochs. The learning rate then goes on as at this step of a run with so many epochs from its start.
    out : path, optional
        A directory for three files: `last.safetensors` (the state for resuming, written after each epoch and when a
        signal stops the training), `best.safetensors` (the weights with the least validation error) and
        `history.jsonl`. The directory is made if it does not exist. Files of an earlier run in it are replaced.
    resume : Checkpoint, optional
        `checkpoint.load(out / "last.safetensors")`. The run goes on and gives the same bits as without a stop. The best
        weights so far must lie beside that file.
    progress : Progress or bool
        True shows a bar with the time left and a line for each epoch: on stderr, or in the output of a notebook's cell.
        A Progress is updated after each step and gets a note at the end of each epoch.
    extra_meta : dict, optional
        Further entries in the metadata of the checkpoints.
    comm : communicator of mpi4py, optional
        Each of its ranks calls `fit` with the same arguments, and computes its part of every batch, so that they end
        with the weights of one rank, up to rounding (see `minicnn.distributed`). Only rank 0 writes files and shows
        progress. A run may be resumed with another number of ranks.

    Returns
    -------
    History
        A list with one record, a dict, for each epoch: epoch, train_loss, train_error, val_loss, val_error (fractions),
        lr, seconds, images_per_s.

    Raises
    ------
    InputError, InputTypeError
        An argument has the wrong type; the model does not fit the data or the names of their classes; a label is not
        the number of a class; the model has no parameters that can be trained, or NaN in its parameters; the state
        cannot be stored; a rank has other arguments or another version of minicnn.
    TrainingError
        The loss became NaN or infinite.
    StateError
        A rank waited too long for the others.
    CheckpointError, FileError
        `resume` is not the last checkpoint of a run with this model, these data and these settings. A file in `out`
        cannot be written, or another training writes into `out`.
    Interrupted
        At Ctrl-C, after the present step, when the state was saved. In the first step, Ctrl-C stops at once and
        nothing is saved. So does a second Ctrl-C, more than a second later.
    Terminated
        At SIGTERM or SIGHUP, likewise.

    Examples
    --------
    >>> from minicnn.data import load
    >>> from minicnn.models import MLP
    >>> history = fit(MLP(32, rng=np.random.default_rng(0)), load("mnist5k"), Settings(epochs=2))
    >>> [record["epoch"] for record in history], history[-1]["val_error"] < 0.2
    ([1, 2], True)
    """
    with together(communicator("fit: comm", comm)):
        return _fit(model, data, settings, out, resume, progress, extra_meta, comm)


def _fit(model, data, settings, out, resume, progress, extra_meta, comm):
    check_arguments(model, data, settings, out, resume, progress, extra_meta)
    name = (extra_meta or {}).get("model", name_of(model))
    if resume is not None:
        settings = check_resume(resume, model, name, data, settings)
    settings = settings or Settings()
    shard = (0, 1) if comm is None else (comm.Get_rank(), comm.Get_size())
    check_model_on_data(model, data, _loader(data, settings, 0), resume is None, shard)
    checksum = functools.cache(functools.partial(data_checksum, data))         # it reads all images: once
    if comm is not None:
        _check_same_work(comm, name, data, settings, resume, checksum)
        out, progress = (out, progress) if shard[0] == 0 else (None, SILENT)
    with contextlib.nullcontext() if out is None else claimed(out), shown(progress, "fit") as told, \
            contextlib.ExitStack() as stack:
        meta = {"model": name, "model_options": sizes_of(model), **(extra_meta or {})}
        run = _Run(model, data, settings, out, told, meta, checksum)
        if resume is not None:
            run.restore(resume)
        run.parallel = stack.enter_context(DataParallel(model, comm))
        with deferred() as stop, np.errstate(over="ignore", invalid="ignore"):      # the loss is checked
            history = run.train(stop)
            stopped = run.stops(stop)
    if stopped or run.parallel.size == 1 and stop.number:       # it came after the last look
        raise stop.error(f"stopped after epoch {len(history)} of {run.settings.epochs}")
    return History(history)


def _check_same_work(comm, name, data, settings, resume, checksum):
    """Raise InputError if the ranks of a run were given different things."""
    from .. import __version__
    place = "its start" if resume is None else f"epoch {resume.meta['epoch']}, batch {resume.meta['batch']}"
    agree(comm, {"the version of minicnn": __version__, "the model": name, "the dataset": data.name,
                 "the checksum of the data": checksum(), **asdict(settings), "the start of the run": place})


class _Run:
    def __init__(self, model, data, settings, out, progress, extra_meta, checksum):
        self.model, self.data, self.settings, self.progress = model, data, settings, progress
        self.out = None if out is None else Path(out)
        self.meta = {**extra_meta, "settings": asdict(settings), "dataset": data.name, **facts_of(data)}
        self.batches = -(-len(data.train_images) // settings.batch_size)
        self.optimizer = make_optimizer(settings, model)
        self.schedule = make_schedule(settings, self.optimizer, self.batches)
        self.average = make_average(settings, model)
        self.measured = model if self.average is None else self.average.module
        self.parallel = DataParallel(model)
        self.history, self.epoch, self.batch = [], 0, 0
        self.sums = {"loss": 0.0, "wrong": 0, "images": 0, "seconds": 0.0}
        self.best = None                          # (validation error, epoch, state) of the best epoch so far
        if out is not None:
            self.meta["data_checksum"] = checksum()
            check_storable(self.out, *self._state(LAST))

    def train(self, stop):
        self.model.train()
        stop.waits = False                              # until a step has ended: with a slow algorithm it takes minutes
        while self.epoch < self.settings.epochs and not self._out_of_patience():
            self._epoch(stop)
        if self.best is not None:
            self.model.load_state_dict(self.best[2])
        return self.history

    def _epoch(self, stop):
        self._report()
        clock = time.perf_counter()
        loader = _loader(self.data, self.settings, self.epoch)
        with contextlib.closing(self.parallel.shards(loader, self.batch)) as batches:
            for images, labels in batches:
                signals = self._step(images, labels, stop)
                self.batch += 1
                stop.waits = True
                now = time.perf_counter()
                self.sums["seconds"], clock = self.sums["seconds"] + now - clock, now
                self._report(_numbers(self._running()))
                if self.stops(stop, signals):
                    self.parallel.average_buffers()
                    self._save(LAST)
                    self.parallel.sum(0)          # all wait for rank 0: `together` would wait for seconds only
                    raise stop.error(f"stopped in epoch {self.epoch + 1}, after {self.batch} of {self.batches} batches")
        self._epoch_ends()
        if self.stops(stop):
            raise stop.error(f"stopped after epoch {self.epoch} of {self.settings.epochs}")

    def _step(self, images, labels, stop):
        """One step of the optimiser. Return for each of SIGNALS how many ranks it has reached before."""
        self.optimizer.zero_grad()
        logits = self.model(Tensor(images))
        loss = F.cross_entropy(logits, labels)
        lost = loss.item() * len(labels) if len(labels) else 0.0
        self.parallel.extra = [lost, (logits.data.argmax(1) != labels).sum(), *_signals(stop)]
        loss.backward()
        (lost, wrong, *signals), count = np.asarray(self.parallel.extra, float).tolist(), self.parallel.images
        if not np.isfinite(lost):
            self._diverged(f"the loss is {lost / count} in epoch {self.epoch + 1}, batch {self.batch + 1}")
        if self.settings.clip is not None:
            clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        if not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.sums["loss"] += lost
        self.sums["wrong"] += int(wrong)
        self.sums["images"] += count
        return signals

    def stops(self, stop, signals=None):
        """Whether the training must stop here, because a signal has reached a rank: all stop at the same place."""
        if self.parallel.size == 1:
            return bool(stop.number)
        signals = self.parallel.sum(_signals(stop)) if signals is None else signals
        number = next((number for number, count in zip(SIGNALS, signals, strict=True) if count), 0)
        if number:
            stop.take(number)
        return bool(number)

    def _diverged(self, what):
        kept = "The checkpoint of the last epoch is unchanged" if self.history else "There is no checkpoint yet"
        raise TrainingError(f"{what}: try a smaller learning rate. {kept if self.out else ''}".rstrip())

    def _report(self, numbers=""):
        steps = self.epoch * self.batches + self.batch
        self.progress.update(steps, self.settings.epochs * self.batches,
                             f"epoch {self.epoch + 1}/{self.settings.epochs}  {numbers}".rstrip())

    def _running(self):
        images, seconds = self.sums["images"], self.sums["seconds"]
        return {"train_loss": self.sums["loss"] / images, "train_error": self.sums["wrong"] / images,
                "images_per_s": images / max(seconds, 1e-9)}

    def _epoch_ends(self):
        loss, error = self._validate()
        if not np.isfinite(loss):
            self._diverged(f"the validation loss is {loss} after epoch {self.epoch + 1}")
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(loss)
        if not self.history:                      # before BEST: a run with weights can always be resumed
            self._save(LAST)
        running = self._running()
        record = {"epoch": self.epoch + 1, **running, "val_loss": loss, "val_error": error,
                  "lr": self.optimizer.lr, "seconds": self.sums["seconds"]}
        self.history.append(record)
        self.epoch, self.batch = self.epoch + 1, 0
        self.sums = {"loss": 0.0, "wrong": 0, "images": 0, "seconds": 0.0}
        if self.best is None or error < self.best[0]:
            self.best = error, record["epoch"], self.measured.state_dict()
            self._save(BEST)
        self._save(LAST)
        self.progress.note(f"epoch {record['epoch']}/{self.settings.epochs}  {_numbers(record)}  "
                           f"validation error {record['val_error']:.2%}")

    def _validate(self):
        """The loss and the error of the validation images, of which each rank measures a part."""
        parallel, data = self.parallel, self.data
        self._check_equal()
        parallel.average_buffers(*{id(one): one for one in (self.model, self.measured)}.values())
        part = shard_of(len(data.val_labels), parallel.rank, parallel.size)
        loss, error, images = 0.0, 0.0, part.stop - part.start
        if images:
            result = evaluate(self.measured, data.val_images[part], data.val_labels[part], rules=rules_of(data))
            loss, error = result.loss, result.error
        if parallel.size > 1:
            loss, error = parallel.sum([loss * images, round(error * images)]) / len(data.val_labels)
        return float(loss), float(error)

    def _check_equal(self):
        """Raise StateError if the parameters are not the same bits on all ranks."""
        if self.parallel.size == 1:
            return
        own = zlib.crc32(b"".join(one.data.tobytes() for one in self.model.parameters()))
        if self.parallel.sum(own) != self.parallel.size * own:
            raise StateError(f"after epoch {self.epoch + 1} the weights of rank {self.parallel.rank} differ from those "
                             "of other ranks: let all computers have the same processors and versions of libraries")

    def _out_of_patience(self):
        patience = self.settings.patience
        return patience is not None and self.best is not None and self.epoch - self.best[1] >= patience

    def _state(self, name):
        """What a checkpoint holds: the model's arrays, the optimiser's state (None for the best weights), the rest."""
        best = None if self.best is None else {"val_error": self.best[0], "epoch": self.best[1]}
        meta = {**self.meta, "epoch": self.epoch, "batch": self.batch, "sums": self.sums, "history": self.history,
                "best": best, "schedule": self.schedule.state_dict(), "generators": generator_states(self.model)}
        if name == LAST:
            return self.model.state_dict(), joint_state(self.optimizer, self.average), meta
        return self.measured.state_dict(), None, meta

    def _save(self, name):
        """Write the state that `restore` needs, and beside it the history for other programs."""
        if self.out is None:
            return
        checkpoint.save(self.out / name, *self._state(name))
        lines = "".join(as_json(record, warn=record is self.history[-1]) + "\n" for record in self.history)
        write_atomically(self.out / HISTORY, lines.encode())

    def restore(self, saved):
        """Go on where the checkpoint was saved. `check_resume` has found it fit."""
        best = restore(saved, self.model, self.optimizer, self.schedule, self.average,
                       self.settings.epochs, self.batches)
        meta = saved.meta
        self.history, self.epoch, self.batch = list(meta["history"]), meta["epoch"], meta["batch"]
        self.sums = dict(meta["sums"])
        if best is not None:
            self.best = meta["best"]["val_error"], meta["best"]["epoch"], best.model
            if self.out is not None and best.path.resolve() != (self.out / BEST).resolve():
                checkpoint.save(self.out / BEST, best.model, None, best.meta)
                self._save(LAST)


def _loader(data, settings, epoch):
    return DataLoader(data.train_images, data.train_labels, settings.batch_size, shuffle=True,
                      max_shift=settings.max_shift, augment=settings.augment, rules=rules_of(data),
                      rng=np.random.default_rng([settings.seed, epoch]))


def _signals(stop):
    """For each of SIGNALS, whether it is the first that has come."""
    return [stop.number == number for number in SIGNALS]


def _numbers(record):
    return (f"loss {record['train_loss']:.4f}  accuracy {1 - record['train_error']:.2%}  "
            f"{record['images_per_s']:,.0f} images/s")
