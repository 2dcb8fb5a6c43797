"""`minicnn train`: train a network, and resume a run that was interrupted."""

from __future__ import annotations

import argparse
import math
import os
import platform
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import FileError, InputError
from ..options import (
    add_algorithm,
    add_command,
    add_data,
    add_json,
    add_model,
    add_picture_rules,
    add_pictures,
    add_quiet,
    add_settings,
    given_path,
    names,
    threads,
)
from ..output import as_json, note_stderr, plain_style, print_line, print_result, print_text
from ..ranks import begin, note_idle, on_rank_0, world
from ..training_plan import AUGMENT, DRY_RUN, EPOCHS, EPOCHS_OF_5K, SHIFT, new_plan, resumed_plan

SMALL_CONVOLUTION = (64, 1, 28, 28), (20, 1, 5, 5)      # shapes for which only slow algorithms have infinite cost
WITH_RESUME = ("resume", "epochs", "data", "data_dir", "threads", "quiet", "json")  # --resume refuses all others

EXAMPLE = """minicnn train --augment shift --seed 2 --out runs/shifted

example: mpiexec -n 4 minicnn train --data-dir pets --batch-size 256

Four processes (ranks), on one or several computers, share each batch of 256 images and end with the weights of one
process, up to rounding; not with batch normalization, which uses the images of its own rank. pip install mpi4py mpich
brings mpiexec. --out and --resume name directories that all computers see. The data must be on each computer; its first
process reads and verifies them for the others.

example: minicnn train --data-dir pets --model small-resnet --image-size 64 --augment flip,crop

The folder pets has a folder for each class, such as pets/cat and pets/dog, or such folders in pets/train, pets/val and
pets/test. Without pets/val a fifth of each class is for validation. Pictures are turned upright (EXIF), transparent
ones are laid on white, palettes are resolved. Each is scaled until it just covers the size, and its middle is cut out;
then the mean and the standard deviation of each channel, measured on the training pictures, become 0 and 1. The run
remembers these rules. Broken and animated pictures are refused, and those with CMYK colours or more than 8 bits a
channel."""


def add_parser(commands: Any) -> None:
    """Add `train` to the commands."""
    from ...data.augment import ANGLE, AUGMENTATIONS
    from ...training import Settings
    command = add_command(
        commands, "train", run, "train the LeNet or another network, on digits or on your own pictures",
        "Train a network, by default the LeNet on handwritten digits. Ctrl-C saves the state. --resume goes on and "
        "reaches the same weights, bit for bit, as a run that was never stopped.", EXAMPLE)
    add_data(command)
    add_pictures(command)
    add_picture_rules(command)
    add_model(command, None, " (default: that of --from, else lenet)")
    add_settings(command, Settings, but=AUGMENT,
                 epochs=(None, f"default: {EPOCHS} for full data, {EPOCHS_OF_5K} for the 5,000 digits"))
    option = command.add_argument
    option("--augment", type=_augment, default="none", metavar="LIST",
           help=f"change each training image at random in each epoch: {', '.join(('shift', *AUGMENTATIONS))}, with "
                f"commas between. shift: by up to {SHIFT} pixels. flip: left and right. rotate: by up to {ANGLE:g} "
                "degrees. crop: by up to an eighth, filled up with the reflection")
    add_algorithm(command, "auto", "convolution algorithm")
    option("--threads", type=threads, metavar="N", help="threads of the convolution kernels (default: all cores)")
    option("--out", type=_new_directory, metavar="DIR",
           help="new directory for the run (default: runs/DATASET-seedSEED, with --dry-run runs/dry-run; if it exists, "
                "with -2, -3, ... added)")
    option("--resume", type=given_path, metavar="DIR",
           help="go on with the run in this directory, with its own settings. With more --epochs than it had, the "
                "learning rate goes on as at the same step of a run with so many epochs")
    option("--from", dest="initial", type=given_path, metavar="RUN",
           help="begin a new run with the weights of a run or of a .safetensors file (fine-tuning, often with a "
                "smaller --lr). If the data have another number of classes, the last layer starts anew")
    option("--dry-run", action="store_true", help=f"train on {DRY_RUN} images only, for one epoch unless --epochs is "
                                                  "given, to test that everything works")
    add_quiet(command)
    add_json(command)
    command.refuse(*(name for name in command.options if name not in WITH_RESUME), when="resume",
                   because="a run goes on with its own settings")
    command.refuse("algo", when=("model", "mlp"), because="it has no convolution")
    command.refuse("patience", when=lambda given: given.dry_run and given.epochs is None,
                   because="a dry run has one epoch; give --epochs too")


def _augment(text):
    """Type of --augment: a tuple of names. "none" stands alone, and is the empty tuple."""
    from ...data.augment import AUGMENTATIONS
    found = names(("none", "shift", *AUGMENTATIONS), "shift,flip")(text)
    if "none" in found and len(found) > 1:
        raise argparse.ArgumentTypeError(f"none stands alone, not beside others as in {text!r}")
    return tuple(name for name in found if name != "none")


def run(arguments: argparse.Namespace) -> None:
    """minicnn train."""
    from ...progress.ranks import together
    from ..user_code import user_errors
    if arguments.threads is not None:
        from ...conv.runtime.threads import set_num_threads
        set_num_threads(arguments.threads)
    comm = arguments.comm = world(arguments.prog)
    with together(comm):
        begin(comm, arguments.threads is not None, arguments.quiet)
        if arguments.resume:
            with resumed_plan(arguments) as plan, user_errors(plan.model):
                _train(plan, arguments)
            return
        from ...training import claimed_new
        plan = new_plan(arguments)
        claim = claimed_new(plan.out, numbered=arguments.out is None)
        with user_errors(plan.model), on_rank_0(comm, claim) as out:
            _train(plan._replace(out=out), arguments)


def _train(plan, arguments):
    """Train, write the files of the run and print the result. This process has claimed the directory."""
    from ... import training
    from ...checkpoint import load
    from ...progress import on_stderr
    data, out = plan.data, plan.out
    model = _model(plan, scaled=arguments.data_dir is not None)
    _begin(plan, model, arguments.quiet)
    comm = arguments.comm
    note_idle(comm, min(plan.settings.batch_size, len(data.train_images)), arguments.quiet)
    algorithms = _algorithms(plan, model, arguments.quiet)
    if comm is not None:                          # computers may choose differently
        algorithms = comm.bcast(algorithms)
    _use(algorithms, model)
    if data.test_labels is not None and len(data.test_labels):
        training.check_part(model, "test", data.test_images, data.test_labels, data.rules)
    note_stderr(f"data: {data.name}, {data.source}: {len(data.train_images):,} images to train, "
                f"{len(data.val_images):,} to validate; run: {out}", arguments.quiet)
    start = time.perf_counter()
    meta = {**plan.network, **plan.remembered, "algorithm": plan.algorithm, "algorithms": algorithms,
            "dry_run": plan.dry_run}
    try:
        with on_stderr("train", arguments.quiet) as progress:
            history = training.fit(model, data, plan.settings, out=out, resume=plan.saved, progress=progress,
                                   extra_meta=meta, comm=comm)
    except training.Interrupted as stop:
        hint = "" if not (out / training.LAST).is_file() else f"; go on with: minicnn train --resume {_quoted(out)}"
        stop.args = (f"{stop}{hint}",)
        raise
    if comm is not None and comm.Get_rank() != 0:
        return
    complete = plan.saved is not None and len(history) == len(plan.saved.meta["history"])
    seconds = sum(record["seconds"] for record in history) if complete else time.perf_counter() - start
    result = _result(plan, model, history, algorithms, seconds, 1 if comm is None else comm.Get_size())
    load(out / training.BEST)                     # raises if the weights cannot be read again
    if complete:
        note_stderr(f"{out}: this run is complete: nothing to do")
    _warn_of_guessing(plan, result["val_error"])
    try:
        print_result(arguments, result, lambda: _print(result))
    finally:                                      # stdout may be a file on a full disk
        _write_files(result, history, complete)


def _begin(plan, model, quiet):
    """Put the weights of --from into the model. Say what happens to the schedule of a run with more epochs."""
    from ...training import start_from
    from ..data_choice import rules_of
    if plan.initial is not None:
        before, now = rules_of(plan.initial.meta, plan.initial.path), plan.data.rules
        if plan.initial.meta.get("rules") is not None and (before.size, before.channels) != (now.size, now.channels):
            size = ",".join(map(str, before.size))
            hint = f" (--image-size {size} keeps the size)" if before.size != now.size else ""
            note_stderr(f"pictures: {plan.initial.path} was trained on {before}; this run trains on {now}{hint}", quiet)
        anew = start_from(plan.initial, model)
        layer = f"; {', '.join(anew)} start anew, because the data have another number of classes" if anew else ""
        note_stderr(f"weights: from {plan.initial.path}{layer}", quiet)
    epochs = plan.settings.epochs
    before = epochs if plan.saved is None else plan.saved.meta["settings"].get("epochs", epochs)
    if before != epochs:
        note_stderr(f"the run had {before} epoch{'s' * (before != 1)} and goes on to {epochs}: from here on the "
                    f"learning rate is that of a run with {epochs} epochs from its start (schedule: "
                    f"{plan.settings.schedule})", quiet)


def _warn_of_guessing(plan, error):
    """Say so if the network is not better than the same answer to every image."""
    import numpy as np
    labels = np.asarray(plan.data.val_labels)
    wrong = len(labels) - int(np.unique(labels, return_counts=True)[1].max())
    guessed = wrong / len(labels)
    if not plan.dry_run and wrong and round(error * len(labels)) >= wrong:
        note_stderr(f"the network has not learnt: its best validation error, {error:.2%}, is not below {guessed:.2%}, "
                    "that of the most frequent class as the answer to every image. Try another --lr or more --epochs")


def _write_files(result, history, complete):
    """Write the result and the learning curve into the directory of the run."""
    from ...files import write_atomically
    out = Path(result["checkpoint"]).parent
    missing = lambda name: not complete or not (out / name).is_file()   # the run may have been killed before that
    if missing("result.json"):
        write_atomically(out / "result.json", as_json(result).encode() + b"\n")
    if missing("learning_curve.png"):
        _draw(history, out / "learning_curve.png")


def _model(plan, scaled):
    """The network that is trained, with its first weights. It fits the data. `scaled`: whether these are pictures."""
    import numpy as np

    from ...nn.calls import convolutions
    from ..networks import check_output, make_network
    try:
        model = make_network(plan.network, np.random.default_rng(plan.settings.seed), plan.out if plan.saved else "",
                             instance=False, loaded=plan.loaded)
    except InputError as error:
        if "cannot be made for these data" not in str(error):
            raise
        size = "larger pictures (--image-size), or " if scaled and plan.saved is None else ""
        raise InputError(f"{error}: give {size}a network that takes any size (--model small-resnet)") from error
    check_output(model, plan.model, plan.network["model_options"])
    if plan.algorithm != "auto":
        _use({name: plan.algorithm for name, _ in convolutions(model)}, model)
    return model


def _algorithms(plan, model, quiet):
    """{layer: convolution algorithm}. The shapes alone decide; a resumed run keeps its algorithms."""
    if plan.saved:
        return plan.saved.meta["algorithms"]
    from ...conv import Geometry, algorithms
    from ...nn.summary import summarize
    sizes = plan.network["model_options"]
    images = min(plan.settings.batch_size, len(plan.data.train_labels)), sizes["in_channels"], *sizes["image_size"]
    chosen = {layer.name: layer.algorithm for layer in summarize(model, images) if layer.algorithm}
    if plan.algorithm != "auto" and not chosen:
        raise InputError(f"--algo has no effect: {plan.model} has no convolution. Leave it out")
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
    from ...training import check_empty, check_writable
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


def _result(plan, model, history, algorithms, seconds, ranks):
    from ... import training
    from ...conv.runtime.threads import get_num_threads
    data = plan.data
    best = min(history, key=lambda record: record["val_error"])
    tested = data.test_labels is not None and len(data.test_labels) > 0
    trained = sum(record["seconds"] for record in history)
    return {
        "dataset": data.name, "source": data.source, "model": plan.model,
        "images": [len(part) if part is not None else 0 for part in (data.train_labels, data.val_labels,
                                                                     data.test_labels)],
        "epochs": len(history), "best_epoch": best["epoch"], "val_error": best["val_error"],
        "test_error": training.evaluate(model, data.test_images, data.test_labels, rules=data.rules).error
        if tested else None,
        "seconds": round(seconds, 3),
        "images_per_s": round(sum(record["images_per_s"] * record["seconds"] for record in history) / trained, 1),
        "settings": asdict(plan.settings), "seed": plan.settings.seed, "algorithms": algorithms,
        "ranks": ranks, "threads": get_num_threads(), "versions": _versions(),
        "checkpoint": str(plan.out / training.BEST)}


def _versions():
    from importlib.metadata import version

    from ... import __version__
    packages = {name: version(name) for name in ("numpy", "numba", "scipy")}
    return {"minicnn": __version__, "python": platform.python_version(), **packages}


def _print(result):
    test = "no test set" if result["test_error"] is None else f"test error {result['test_error']:.2%}"
    epochs = f"{result['epochs']} epoch{'s' * (result['epochs'] != 1)}"
    best = f"best epoch: {result['best_epoch']}, with " if result["epochs"] > 1 else ""
    seconds = f"{result['seconds']:.1f}" if result["seconds"] < 10 else f"{result['seconds']:.0f}"
    print_text(f"{result['model']} on {result['dataset']}, {epochs} in {seconds} s "
               f"({result['images_per_s']:,.0f} images/s): {best}validation error {result['val_error']:.2%}, {test}")
    print_line(f"weights: {result['checkpoint']}\nsee it: minicnn eval {_quoted(Path(result['checkpoint']).parent)}")


@plain_style
def _draw(history, path):
    from ... import viz
    figure, ax = viz.new_figure()
    viz.learning_curve(history, ax)
    viz.save(figure, path)
