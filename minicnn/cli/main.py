"""The command line: train, eval, info, data, gradcheck, verify, invariance, animate, explore and bench.

Results go to stdout, progress to stderr. Exit status: 0 done, 1 a check failed, 2 bad input or usage, 130 interrupted.
MINICNN_VERBOSE=1 shows the traceback of an error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path

from ..errors import InputError
from .output import print_evaluation, print_table, print_training


def main(argv=None) -> int:
    """Run one command and return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt as stop:
        print(f"\nminicnn {arguments.command}: interrupted{f': {stop}' if str(stop) else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:                       # the reader of our output went away, as in `minicnn info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, RuntimeError, ImportError, MemoryError) as error:
        if os.environ.get("MINICNN_VERBOSE"):
            traceback.print_exc()
        print(f"minicnn {arguments.command}: error: {error}", file=sys.stderr)
        return 2


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but only those that say something."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def _parser():
    from .. import __version__
    from . import animate as animation
    from . import bench, explore, invariance, verify
    parser = argparse.ArgumentParser(
        prog="minicnn", description="A small deep-learning engine that shows, trains and proves what a convolution is.")
    parser.add_argument("--version", action="version", version=f"minicnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, run, help, example):
        command = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".",
                                      epilog=f"example: {example}",
                                      formatter_class=_Help, allow_abbrev=False)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print the result as one line of JSON")
        return command

    _train_options(add("train", train, "train the LeNet on handwritten digits",
                       "minicnn train --augment shift --seed 2 --out runs/shifted"))
    command = add("eval", evaluate, "measure a trained network: error, confusion matrix, worst mistakes",
                  "minicnn eval runs/mnist-seed1")
    command.add_argument("checkpoint", nargs="?", help="a .safetensors file or the directory of a run; the weights in "
                                                       "the package where none is given")
    command.add_argument("--picture", metavar="FILE", help="where the picture goes (png, pdf or svg); beside the "
                                                           "checkpoint, or ./mistakes.png, where not given")
    _data_options(command)
    command = add("info", info, "show the layers of a network as a table", "minicnn info --batch-size 64")
    _model_option(command)
    command.add_argument("--batch-size", type=int, default=64, help="images at once, which decides the algorithm")
    command = add("data", data, "show which data files are there, where from, and verify them", "minicnn data")
    _data_options(command, default="mnist")
    command.add_argument("--download", action="store_true", help="download what is missing first")
    command = add("gradcheck", gradcheck, "check gradients against finite differences",
                  "minicnn gradcheck my_code.py:my_function --shape 3,4")
    command.add_argument("target", nargs="?", metavar="FILE.py:FUNCTION",
                         help="your own function of Tensors; every operation of minicnn where none is given")
    command.add_argument("--shape", action="append", metavar="3,4", help="shape of an input of your function; repeat "
                                                                         "it for each input")
    command.add_argument("--seed", type=int, default=0, help="of the samples")
    verify.add_parser(commands, _Help)
    invariance.add_parser(commands, _Help)
    animation.add_parser(commands, _Help)
    bench.add_parser(commands, _Help)
    explore.add_parser(commands, _Help)
    return parser


def _data_options(command, default="auto"):
    from ..data import DATASETS
    choices = [name for name in DATASETS if default == "auto" or name != "auto"]
    command.add_argument("--dataset", choices=choices, default=default,
                         help="auto: full MNIST where it is at hand or can be downloaded, else the embedded digits"
                         if default == "auto" else "which files")
    command.add_argument("--data", metavar="DIR", help="directory with the four IDX files (else MINICNN_DATA, else the "
                                                       "cache)")


def _model_option(command):
    from ..models import MODELS
    command.add_argument("--model", choices=tuple(MODELS), default="lenet", help="which network")


def _train_options(command):
    option = command.add_argument
    _data_options(command)
    _model_option(command)
    option("--epochs", type=int, help="passes over the data; 10 on full data, 15 on the 5 000 digits where not given")
    option("--batch-size", type=int, default=64, help="images a step")
    option("--lr", type=float, default=2e-3, help="peak of the one-cycle learning rate of AdamW")
    option("--weight-decay", type=float, default=1e-2, help="of AdamW")
    option("--augment", choices=("none", "shift"), default="none", help="shift: move each image by up to 2 pixels")
    option("--patience", type=int, help="stop after so many epochs without a better validation error")
    option("--seed", type=int, default=1, help="the same seed gives the same weights bit for bit on the same machine")
    option("--algo", default="auto", help="convolution algorithm")
    option("--threads", type=int, help="threads of the convolution kernels; all cores where not given")
    option("--out", metavar="DIR", help="directory of the run, a new one; runs/DATASET-seedSEED where not given")
    option("--resume", metavar="DIR", help="go on with a run that was interrupted, with its own settings")
    option("--dry-run", action="store_true", help="one epoch on 256 images, to see that everything works")
    option("--quiet", action="store_true", help="no progress on stderr")


def train(arguments):
    """minicnn train."""
    from .. import training, viz
    from ..checkpoint import load
    from ..files import write_atomically
    from ..progress import on_stderr
    _set_threads(arguments.threads)
    saved, data, settings, out = _resumed_run(arguments) if arguments.resume else _new_run(arguments)
    name, algorithm = (arguments.model, arguments.algo) if saved is None else (saved.meta["model"],
                                                                               saved.meta["algorithm"])
    model = _model(name, algorithm, settings.seed)
    algorithms = _fixed_algorithms(model, min(settings.batch_size, len(data.train_labels)), saved)
    out.mkdir(parents=True, exist_ok=True)
    notice = (lambda line: None) if arguments.quiet else (lambda line: print(line, file=sys.stderr))
    notice(f"data: {data.name}, {data.source}: {len(data.train_images):,} to train, {len(data.val_images):,} to "
           f"validate; run: {out}")
    start = time.perf_counter()
    dry_run = saved.meta["dry_run"] if saved else arguments.dry_run
    try:
        with on_stderr("train", arguments.quiet) as progress:
            history = training.fit(model, data, settings, out=out, resume=saved, progress=progress,
                                   extra_meta={"model": name, "algorithm": algorithm, "algorithms": algorithms,
                                               "dry_run": dry_run})
    except training.Interrupted as stop:
        raise KeyboardInterrupt(f"{stop}; go on with: minicnn train --resume {out}") from None
    seconds = time.perf_counter() - start
    best = min(history, key=lambda record: record["val_error"])
    parts = [data.train_labels, data.val_labels, () if data.test_labels is None else data.test_labels]
    test_error = training.evaluate(model, data.test_images, data.test_labels).error if len(parts[2]) else None
    result = {
        "dataset": data.name, "source": data.source, "model": name, "images": [len(part) for part in parts],
        "epochs": len(history), "best_epoch": best["epoch"], "val_error": best["val_error"], "test_error": test_error,
        "seconds": round(seconds, 3), "images_per_s": round(_speed(history), 1), "settings": asdict(settings),
        "seed": settings.seed, "algorithms": algorithms, "threads": _get_threads(), "versions": _versions(),
        "checkpoint": str(out / training.BEST)}
    load(out / training.BEST)                     # what is announced can be read again
    figure, ax = viz.new_figure()
    viz.learning_curve(history, ax)
    failure = _save(figure, out / "learning_curve.png")
    print_training(arguments, result)
    write_atomically(out / "result.json", json.dumps(result).encode() + b"\n")
    if failure:
        raise failure


def _new_run(arguments):
    from ..data import load
    from ..training import Settings
    data = load(arguments.dataset, arguments.data)
    epochs = 1 if arguments.dry_run else 15 if data.name == "mnist5k" else 10
    epochs = epochs if arguments.epochs is None else arguments.epochs
    data = _small(data) if arguments.dry_run else data
    settings = Settings(epochs, arguments.batch_size, arguments.lr, arguments.weight_decay, arguments.seed,
                        2 if arguments.augment == "shift" else 0, arguments.patience)
    return None, data, settings, _new_directory(arguments.out, f"runs/{data.name}-seed{arguments.seed}")


def _resumed_run(arguments):
    from ..checkpoint import load
    from ..data import load as load_data
    from ..training import LAST, Settings
    out = Path(arguments.resume)
    if not (out / LAST).is_file():
        raise InputError(f"--resume {out}: there is no {LAST} in it; name the directory of a run")
    given = [name for name, default in vars(_parser().parse_args(["train"])).items()
             if name not in ("resume", "data", "threads", "quiet", "json") and getattr(arguments, name) != default]
    if given:
        raise InputError(f"--resume goes on with the settings of the run; leave out --{given[0].replace('_', '-')}")
    saved = load(out / LAST)
    if saved.optimizer is None or not {"settings", "model", "algorithm", "dry_run", "algorithms"} <= saved.meta.keys():
        raise InputError(f"--resume {out}: its {LAST} is no checkpoint of minicnn train")
    settings = Settings(**saved.meta["settings"])
    data = load_data(saved.meta["dataset"], None if saved.meta["dataset"] == "mnist5k" else arguments.data)
    return saved, _small(data) if saved.meta["dry_run"] else data, settings, out


def _new_directory(given, default):
    """A directory for a run, not made yet: the one named, or the first free of default, default-2, default-3, ..."""
    if given is None:
        number = 1
        while Path(given := default if number == 1 else f"{default}-{number}").exists():
            number += 1
    path = Path(given)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"--out {path} exists and is not empty: choose another directory, or --resume {path}")
    return path


def _small(data, count=256):
    cut = lambda array: None if array is None else array[:count]
    names = [f"{part}_{kind}" for part in ("train", "val", "test") for kind in ("images", "labels")]
    return replace(data, source=f"{data.source}; of each part the first {count} images",
                   **{name: cut(getattr(data, name)) for name in names})


def _fixed_algorithms(model, batch_size, saved):
    """{layer: convolution algorithm}: as chosen now, or as the resumed run chose; the layers are set to it."""
    from ..nn.summary import summarize
    if saved is None:
        layers = summarize(model, (batch_size, 1, 28, 28))
        chosen = {layer.name: layer.algorithm for layer in layers if layer.algorithm}
    else:
        chosen = saved.meta["algorithms"]
    for name, module in model.named_modules():
        if name in chosen:
            module.algorithm = chosen[name]
    return chosen


def _model(name, algorithm="auto", seed=0):
    import numpy as np

    from ..models import MODELS
    options = {} if name == "mlp" else {"algorithm": algorithm}
    return MODELS[name](rng=np.random.default_rng(seed), **options)


def _speed(history):
    return sum(r["images_per_s"] * r["seconds"] for r in history) / sum(r["seconds"] for r in history)


def evaluate(arguments):
    """minicnn eval."""
    from .. import training, viz
    from ..checkpoint import load, load_into
    from ..data import load as load_data
    path = training.weights_file(arguments.checkpoint or None)
    saved = load(path)
    name, trained_on = saved.meta.get("model", "lenet"), saved.meta.get("dataset", "mnist")
    model = _model(name)
    load_into(saved, model)
    asked = arguments.data or arguments.dataset != "auto"
    data = load_data(arguments.dataset if asked or trained_on == "mnist" else trained_on, arguments.data)
    part, images, labels = (("validation", data.val_images, data.val_labels) if data.test_images is None
                            else ("test", data.test_images, data.test_labels))
    found = training.evaluate(model, images, labels)
    picture = Path(arguments.picture or (path.with_name("mistakes.png") if arguments.checkpoint else "mistakes.png"))
    seen = trained_on == "mnist" and data.name == "mnist5k"         # the embedded digits are training images of MNIST
    result = {"checkpoint": str(path), "model": name, "dataset": data.name, "part": part, "images": len(labels),
              "seen_in_training": seen, "error": found.error, "loss": found.loss,
              "confusion": found.confusion.tolist(), "picture": str(picture)}
    figure, axes = viz.new_figure(12, 5.5, 2)
    viz.confusion_matrix(found.confusion, axes[0])
    viz.worst_mistakes(images, labels, found, axes[1])
    figure.suptitle(f"{name} on {data.name}: {found.error:.2%} of {len(labels):,} {part} images wrong"
                    + ", images that it was trained on" * seen)
    failure = _save(figure, picture)
    print_evaluation(arguments, result)
    if failure:
        raise failure


def _save(figure, path):
    """Save a picture; an error is returned, to be raised when the result is printed: it is not lost for a picture."""
    from .. import viz
    try:
        viz.save(figure, path)
    except (OSError, ValueError) as error:
        return error
    return None


def info(arguments):
    """minicnn info."""
    from ..nn.summary import summarize
    if arguments.batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, not {arguments.batch_size}")
    layers = summarize(_model(arguments.model), (arguments.batch_size, 1, 28, 28))
    if arguments.json:
        print(json.dumps([asdict(layer) for layer in layers]))
        return
    rows = [[layer.name, layer.kind.partition("(")[0], "x".join(map(str, layer.out_shape)), f"{layer.parameters:,}",
             f"{layer.multiply_adds:,}", f"{layer.receptive_field} px" if layer.receptive_field else "all",
             layer.algorithm or ""] for layer in layers]
    rows.append(["total", "", "", f"{sum(x.parameters for x in layers):,}", f"{sum(x.multiply_adds for x in layers):,}",
                 "", ""])
    print_table("layer", ["kind", "output", "parameters", "products", "sees", "algorithm"], rows, left=(0, 1, 6))


def data(arguments):
    """minicnn data."""
    from ..data import describe, load
    if arguments.download:
        load(arguments.dataset, arguments.data)
    records = describe(arguments.dataset, arguments.data)
    if arguments.json:
        print(json.dumps([asdict(record) for record in records]))
    else:
        for record in records:
            size = "" if record.size is None else f", {record.size:,} bytes"
            print(f"{record.name}: {record.state}{size}\n    {record.path}\n    {record.origin}")
    return 0 if all(not record.state.startswith("corrupt") for record in records) else 1


def gradcheck(arguments):
    """minicnn gradcheck."""
    from ..gradcheck import check_user_function, run_catalogue
    from ..progress import on_stderr
    from .user_code import attribute, load_file
    if arguments.target is None and arguments.shape:
        raise InputError("--shape is for your own function: name it, as in my_code.py:my_function")
    if arguments.target is None:
        with on_stderr("gradcheck", arguments.json) as progress:
            records = run_catalogue(progress, arguments.seed)
    else:
        module, name = load_file(arguments.target)
        function = attribute(module, name, arguments.target.rpartition(":")[0])
        shapes = [_shape(text) for text in arguments.shape or ()] or getattr(module, "shapes", {}).get(name)
        records = [check_user_function(function, shapes, arguments.seed, name=arguments.target)]
    if arguments.json:
        print(json.dumps([asdict(record) for record in records]))
    else:
        print_table("operation", ["inputs", "largest error", "verdict", "ms"], [
            [record.name, " ".join(str(tuple(shape)) for shape in record.inputs),
             "" if record.max_error is None else f"{record.max_error:.1e}", "ok" if record.passed else "WRONG",
             f"{record.seconds * 1e3:.0f}"] for record in records], left=(0, 1), fold=(1,))
        for record in records:
            if not record.passed:
                print(f"{record.name}: {record.reason}")
    return 0 if all(record.passed for record in records) else 1


def _shape(text):
    lengths = [length.strip() for length in text.strip("()").split(",") if length.strip()]
    if not lengths or not all(length.isdecimal() and int(length) > 0 for length in lengths):
        raise InputError(f"--shape {text}: write positive lengths with commas, as in --shape 3,4")
    return tuple(map(int, lengths))


def _set_threads(count):
    if count is None:
        return
    if count < 1:
        raise InputError(f"--threads must be at least 1, not {count}")
    from ..conv.runtime.threads import set_num_threads
    set_num_threads(count)


def _get_threads():
    from ..conv.runtime.threads import get_num_threads
    return get_num_threads()


def _versions():
    from importlib.metadata import version
    packages = {name: version(name) for name in ("numpy", "numba", "scipy")}
    from .. import __version__
    return {"minicnn": __version__, "python": platform.python_version(), **packages}


if __name__ == "__main__":
    sys.exit(main())
