"""`minicnn train`: train a network, and resume a run that was interrupted."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import platform
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import FileError, InputError
from .options import (
    Parser,
    add_algorithm,
    add_command,
    add_data,
    add_json,
    add_model,
    add_quiet,
    from_checked,
    given_path,
    threads,
)
from .output import as_json, note_stderr, plain_style, print_line, print_result, print_text

EPOCHS, EPOCHS_OF_5K = 10, 15           # defaults: for full data, and for the 5,000 embedded digits
DRY_RUN = 256                           # images of a dry run
AUGMENT = {"none": 0, "shift": 2}       # --augment: the field max_shift of Settings, in pixels
SMALL_CONVOLUTION = (64, 1, 28, 28), (20, 1, 5, 5)      # shapes for which only slow algorithms have infinite cost
RUN = {"settings", "model", "algorithm", "dataset", "dry_run", "algorithms"}    # metadata of a run
WITH_RESUME = ("resume", "data", "threads", "quiet", "json")    # --resume takes these options and refuses all others


class TrainingPlan(NamedTuple):
    """The model, the data and the directory of a training run."""

    model: str
    algorithm: str
    settings: Any                       # training.Settings
    data: Any                           # data.Dataset
    out: Path
    saved: Any                          # the Checkpoint of a resumed run, or None
    dry_run: bool


def add_parser(commands: Any) -> None:
    """Add `train` to the commands."""
    from ..training import Settings
    command = add_command(
        commands, "train", run, "train the LeNet on handwritten digits",
        "Train the LeNet on handwritten digits. Ctrl-C saves the state. --resume goes on and reaches the same weights, "
        "bit for bit, as a run that was never stopped.", "minicnn train --augment shift --seed 2 --out runs/shifted")
    add_data(command)
    add_model(command)
    add_settings(command, Settings, but=("max_shift",),
                 epochs=(None, f"default: {EPOCHS} for full data, {EPOCHS_OF_5K} for the 5,000 digits"))
    option = command.add_argument
    option("--augment", choices=tuple(AUGMENT), default="none",
           help=f"shift: move each training image by up to {AUGMENT['shift']} pixels, at random in each epoch")
    add_algorithm(command, "auto", "convolution algorithm")
    option("--threads", type=threads, metavar="N", help="threads of the convolution kernels (default: all cores)")
    option("--out", type=_new_directory, metavar="DIR",
           help="new directory for the run (default: runs/DATASET-seedSEED, with --dry-run runs/dry-run; if it exists, "
                "with -2, -3, ... added)")
    option("--resume", type=given_path, metavar="DIR",
           help="go on with the run in this directory, with its own settings")
    option("--dry-run", action="store_true", help=f"train on {DRY_RUN} images only, for one epoch unless --epochs is "
                                                  "given, to test that everything works")
    add_quiet(command)
    add_json(command)
    command.refuse(*(name for name in command.options if name not in WITH_RESUME), when="resume",
                   because="a run goes on with its own settings")
    command.refuse("algo", when=("model", "mlp"), because="it has no convolution")
    command.refuse("patience", when=lambda given: given.dry_run and given.epochs is None,
                   because="a dry run has one epoch; give --epochs too")


def add_settings(command: Parser, settings: type, but: Sequence[str] = (), **defaults: tuple[Any, str]) -> None:
    """Add an option for each field of a dataclass, but not for the fields that `but` names.

    The fields are integers or floats. The help of an option stands in the field's metadata under "help". The checks are
    those of the dataclass itself. `defaults` are other defaults for the command line, each with a text for the help.
    """
    for field in fields(settings):
        name = field.name
        if name in but:
            continue
        kind = float if "float" in str(field.type) else int
        default, more = defaults.get(name, (field.default, ""))
        command.add_argument(f"--{name.replace('_', '-')}", type=_field(settings, name, kind), default=default,
                             metavar="N" if kind is int else "X",
                             help=field.metadata["help"] + (f"; {more}" if more else ""))


def _field(settings, name, kind):
    def parse(text: str) -> Any:
        try:
            value = kind(text if text.isascii() and "_" not in text else "")       # Python takes 1_0 as 10
        except ValueError:
            what = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {what}, not {text!r}") from None
        settings(**{name: value})                       # raises what is wrong with the value
        return value
    return from_checked(parse)


def run(arguments: argparse.Namespace) -> None:
    """minicnn train."""
    if arguments.threads is not None:
        from ..conv.runtime.threads import set_num_threads
        set_num_threads(arguments.threads)
    if arguments.resume:
        with _resumed_run(arguments) as plan:
            _train(plan, arguments)
        return
    from ..training import claimed_new
    plan = _new_run(arguments)
    with claimed_new(plan.out, numbered=arguments.out is None) as out:
        _train(plan._replace(out=out), arguments)


def _train(plan, arguments):
    """Train, write the files of the run and print the result. This process has claimed the directory."""
    from .. import training
    from ..checkpoint import load
    from ..progress import on_stderr
    model = _model(plan)
    algorithms = _algorithms(plan, model, arguments.quiet)
    _use(algorithms, model)
    data, out = plan.data, plan.out
    if data.test_labels is not None and len(data.test_labels):
        training.check_part(model, "test", data.test_images, data.test_labels)
    note_stderr(f"data: {data.name}, {data.source}: {len(data.train_images):,} images to train, "
                f"{len(data.val_images):,} to validate; run: {out}", arguments.quiet)
    start = time.perf_counter()
    meta = {"model": plan.model, "algorithm": plan.algorithm, "algorithms": algorithms, "dry_run": plan.dry_run}
    try:
        with on_stderr("train", arguments.quiet) as progress:
            history = training.fit(model, data, plan.settings, out=out, resume=plan.saved, progress=progress,
                                   extra_meta=meta)
    except training.Interrupted as stop:
        hint = "" if not (out / training.LAST).is_file() else f"; go on with: minicnn train --resume {_quoted(out)}"
        stop.args = (f"{stop}{hint}",)
        raise
    complete = plan.saved is not None and len(history) == len(plan.saved.meta["history"])
    seconds = sum(record["seconds"] for record in history) if complete else time.perf_counter() - start
    result = _result(plan, model, history, algorithms, seconds)
    load(out / training.BEST)                     # raises if the weights cannot be read again
    if complete:
        note_stderr(f"{out}: this run is complete: nothing to do")
    try:
        print_result(arguments, result, lambda: _print(result))
    finally:                                      # stdout may be a file on a full disk
        _write_files(result, history, complete)


def _write_files(result, history, complete):
    """Write the result and the learning curve into the directory of the run."""
    from ..files import write_atomically
    out = Path(result["checkpoint"]).parent
    missing = lambda name: not complete or not (out / name).is_file()   # the run may have been killed before that
    if missing("result.json"):
        write_atomically(out / "result.json", as_json(result).encode() + b"\n")
    if missing("learning_curve.png"):
        _draw(history, out / "learning_curve.png")


def _new_run(arguments):
    from ..data import load
    from ..training import check_writable
    if arguments.out is None:
        check_writable(Path("runs"))
    _given_settings(arguments, EPOCHS)                  # raises for wrong values, before a download
    data = load(arguments.dataset, arguments.data)
    default = 1 if arguments.dry_run else EPOCHS_OF_5K if data.name == "mnist5k" else EPOCHS
    settings = _given_settings(arguments, default)
    data = _small(data) if arguments.dry_run else data
    out = arguments.out or Path("runs", "dry-run" if arguments.dry_run else f"{data.name}-seed{settings.seed}")
    return TrainingPlan(arguments.model, arguments.algo or "auto", settings, data, out, None, arguments.dry_run)


def _given_settings(arguments, epochs):
    """The Settings with the value of every option. `epochs` is the default of that option."""
    from ..training import Settings
    values = {field.name: getattr(arguments, field.name) for field in fields(Settings) if field.name != "max_shift"}
    values["max_shift"] = AUGMENT[arguments.augment]
    values["epochs"] = epochs if values["epochs"] is None else values["epochs"]
    return Settings(**values)


@contextlib.contextmanager
def _resumed_run(arguments: argparse.Namespace) -> Iterator[TrainingPlan]:
    """Context manager: the plan of the run that goes on, while this process has claimed its directory."""
    from ..checkpoint import load
    from ..data import load as load_data
    from ..training import LAST, claimed
    out = Path(arguments.resume)
    if os.path.isfile(out):
        raise InputError(f"--resume {out}: that is a file; name the directory of the run: --resume {out.parent}")
    if not os.path.isfile(out / LAST):
        raise InputError(f"--resume {out}: there is no {LAST} in it; name the directory of a run")
    with claimed(out):                                  # before the file is read: another process may replace it
        saved = load(out / LAST)
        if saved.optimizer is None or not saved.meta.keys() >= RUN:
            raise InputError(f"--resume {out}: its {LAST} is not a checkpoint of minicnn train")
        meta, settings = saved.meta, _settings_of(saved)
        if arguments.data is not None and meta["dataset"] == "mnist5k":
            raise InputError("--data has no effect: the run trains on mnist5k, which is part of the package. Leave it "
                             "out")
        data = load_data(meta["dataset"], arguments.data)
        yield TrainingPlan(meta["model"], meta["algorithm"], settings, _small(data) if meta["dry_run"] else data, out,
                           saved, meta["dry_run"])


def _settings_of(saved):
    """The Settings of a resumed run. InputError if `minicnn train` did not write these metadata."""
    from ..training import Settings
    texts = [saved.meta[name] for name in ("model", "algorithm", "dataset")]
    algorithms = saved.meta["algorithms"]
    if isinstance(algorithms, dict) and all(isinstance(text, str) for text in (*texts, *algorithms.values())):
        try:
            return Settings(**saved.meta["settings"])
        except (TypeError, InputError):
            pass
    raise InputError(f"{saved.path}: its metadata are damaged: they do not describe a run. Take an earlier "
                     "checkpoint, or start a new run")


def _model(plan):
    import numpy as np

    from ..models import MODELS
    if plan.model not in MODELS:
        raise InputError(f"{plan.out}: its model is {plan.model!r}; minicnn train knows {', '.join(MODELS)}")
    options = {} if plan.model == "mlp" else {"algorithm": plan.algorithm}
    return MODELS[plan.model](rng=np.random.default_rng(plan.settings.seed), **options)


def _algorithms(plan, model, quiet):
    """{layer: convolution algorithm}. The shapes alone decide; a resumed run keeps its algorithms."""
    if plan.saved:
        return plan.saved.meta["algorithms"]
    from ..conv import Geometry, algorithms
    from ..nn.summary import summarize
    batch_size = min(plan.settings.batch_size, len(plan.data.train_labels))
    chosen = {layer.name: layer.algorithm for layer in summarize(model, (batch_size, 1, 28, 28)) if layer.algorithm}
    slow = {name for name, known in algorithms().items() if known.cost(Geometry.of(*SMALL_CONVOLUTION)) == math.inf}
    for name in slow & set(chosen.values()):
        note_stderr(f"{name} shows how a convolution is computed and is slow: a single step may take minutes", quiet)
    return chosen


def _use(algorithms, model):
    for name, module in model.named_modules():
        if name in algorithms:
            module.algorithm = algorithms[name]


def _new_directory(text):
    """Type of --out: a directory that is empty or can be made."""
    from ..training import check_empty, check_writable
    path = Path(given_path(text))
    try:
        check_empty(path)
        check_writable(path)
    except FileError as error:
        run = os.path.isfile(path / "last.safetensors")
        hint = f", or go on with that run by --resume {_quoted(path)}" if run else ""
        raise argparse.ArgumentTypeError(f"{error}{hint}") from error
    return path


def _quoted(path):
    """The path as an argument in a shell."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _small(data):
    cut = lambda array: None if array is None else array[:DRY_RUN]
    names = [f"{part}_{kind}" for part in ("train", "val", "test") for kind in ("images", "labels")]
    return replace(data, source=f"{data.source}; of each part the first {DRY_RUN} images",
                   **{name: cut(getattr(data, name)) for name in names})


def _result(plan, model, history, algorithms, seconds):
    from .. import training
    from ..conv.runtime.threads import get_num_threads
    data = plan.data
    best = min(history, key=lambda record: record["val_error"])
    tested = data.test_labels is not None and len(data.test_labels) > 0
    trained = sum(record["seconds"] for record in history)
    return {
        "dataset": data.name, "source": data.source, "model": plan.model,
        "images": [len(part) if part is not None else 0 for part in (data.train_labels, data.val_labels,
                                                                     data.test_labels)],
        "epochs": len(history), "best_epoch": best["epoch"], "val_error": best["val_error"],
        "test_error": training.evaluate(model, data.test_images, data.test_labels).error if tested else None,
        "seconds": round(seconds, 3),
        "images_per_s": round(sum(record["images_per_s"] * record["seconds"] for record in history) / trained, 1),
        "settings": asdict(plan.settings), "seed": plan.settings.seed, "algorithms": algorithms,
        "threads": get_num_threads(), "versions": _versions(), "checkpoint": str(plan.out / training.BEST)}


def _versions():
    from importlib.metadata import version

    from .. import __version__
    packages = {name: version(name) for name in ("numpy", "numba", "scipy")}
    return {"minicnn": __version__, "python": platform.python_version(), **packages}


def _print(result):
    test = "no test set" if result["test_error"] is None else f"test error {result['test_error']:.2%}"
    epochs = f"{result['epochs']} epoch{'s' * (result['epochs'] != 1)}"
    seconds = f"{result['seconds']:.1f}" if result["seconds"] < 10 else f"{result['seconds']:.0f}"
    print_text(f"{result['model']} on {result['dataset']}, {epochs} in {seconds} s "
               f"({result['images_per_s']:,.0f} images/s): validation error {result['val_error']:.2%}, {test}")
    print_line(f"weights: {result['checkpoint']}\nsee it: minicnn eval {_quoted(Path(result['checkpoint']).parent)}")


@plain_style
def _draw(history, path):
    from .. import viz
    figure, ax = viz.new_figure()
    viz.learning_curve(history, ax)
    viz.save(figure, path)
