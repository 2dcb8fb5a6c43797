"""How a long run tells what it is doing, on stderr: a progress bar in a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import sys
import time


class Silent(contextlib.AbstractContextManager):
    """Tells nothing; also the interface of the others."""

    def epoch_starts(self, epoch, epochs, batch, batches):
        """Epoch `epoch` of `epochs` begins at batch `batch` of `batches`."""

    def step(self, running, steps_left):
        """A step is done; `running` has train_loss, train_error, images_per_s of this epoch so far."""

    def epoch_ends(self, record, epochs):
        """The epoch's record of the history is there."""

    def __exit__(self, *exception):
        return None


class Lines(Silent):
    """A line at the end of each epoch, and one every `interval` seconds before."""

    def __init__(self, interval=20.0):
        self.interval, self.told, self.epoch = interval, time.monotonic(), ""

    def epoch_starts(self, epoch, epochs, batch, batches):
        self.epoch, self.batch, self.batches = f"epoch {epoch}/{epochs}", batch, batches
        self.clock, self.first = time.monotonic(), batch

    def step(self, running, steps_left):
        self.batch += 1
        now = time.monotonic()
        if now - self.told < self.interval:
            return
        self.told = now
        left = (now - self.clock) / (self.batch - self.first) * steps_left
        print(f"{self.epoch}  batch {self.batch}/{self.batches}  {_numbers(running)}  about {duration(left)} left",
              file=sys.stderr, flush=True)

    def epoch_ends(self, record, epochs):
        print(_epoch_line(record, epochs), file=sys.stderr, flush=True)


class Bar(Silent):
    """One progress bar over the whole run, with loss, error, images per second and time left."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"),
                                 TimeRemainingColumn(compact=True), console=Console(stderr=True))
        self.task = None

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *exception):
        self.progress.stop()

    def epoch_starts(self, epoch, epochs, batch, batches):
        if self.task is None:
            self.task = self.progress.add_task("", total=epochs * batches, completed=(epoch - 1) * batches + batch,
                                               numbers="")
        self.progress.update(self.task, description=f"epoch {epoch}/{epochs}")

    def step(self, running, steps_left):
        self.progress.update(self.task, advance=1, numbers=_numbers(running))

    def epoch_ends(self, record, epochs):
        self.progress.console.print(_epoch_line(record, epochs), highlight=False)


def reporter(quiet=False):
    """The reporter that fits: silent where asked, a bar where stderr is a terminal, else lines."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


@contextlib.contextmanager
def counter(total):
    """A function to call with each finished record, which shows in a terminal how many of `total` are done."""
    if not sys.stderr.isatty():
        yield lambda record: None
        return
    from rich.console import Console
    from rich.progress import Progress
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda record: progress.update(task, advance=1, description=record.name)


def _numbers(running):
    return (f"loss {running['train_loss']:.4f}  accuracy {1 - running['train_error']:.2%}  "
            f"{running['images_per_s']:,.0f} images/s")


def _epoch_line(record, epochs):
    return f"epoch {record['epoch']}/{epochs}  {_numbers(record)}  validation error {record['val_error']:.2%}"


def duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
