"""`minicnn eval`: error, confusion matrix and mistakes of a trained network."""

from __future__ import annotations

import argparse
import math
from typing import Any

from ...errors import InputError, MinicnnError
from ..data_choice import measured_data
from ..options import (
    PICTURES,
    add_command,
    add_data,
    add_drawing_size,
    add_json,
    add_pictures,
    add_quiet,
    destination,
    given_path,
)
from ..output import (
    Column,
    note_stderr,
    plain_style,
    print_result,
    print_table,
    print_text,
    replacements,
    save_picture,
    width,
)

MISTAKES = Column("true"), Column("right"), Column("wrong: as which class, how often", left=True, least=14)


def add_parser(commands: Any) -> None:
    """Add `eval` to the commands."""
    from ..networks import network
    command = add_command(
        commands, "eval", run, "measure a trained network: error, confusion matrix, worst mistakes",
        "Measure a trained network on test images, or on validation images if the data have no test set. Print the "
        "error and the confusion matrix, and draw the worst mistakes.", "minicnn eval runs/mnist-seed1")
    option = command.add_argument
    option("checkpoint", nargs="?", type=given_path, metavar="RUN",
           help="the directory of a run, or a .safetensors, .pt or .pth file (default: the weights in the package)")
    option("--model", type=network, metavar="NAME",
           help="the network that has these weights, or FILE.py:NAME; a run remembers its own")
    option("--picture", type=destination(*PICTURES), metavar="FILE",
           help="draw the confusion matrix and the worst mistakes (png, pdf or svg). Default: mistakes.png beside the "
                "weights of a run; no picture for other weights")
    add_drawing_size(command)
    add_data(command)
    add_pictures(command)
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn eval."""
    from ... import training
    from ...data.rules import in_pixels
    from ...progress import on_stderr
    from ..networks import measured_network
    from ..user_code import user_errors
    path, name, model, meta = measured_network(arguments.checkpoint, arguments.model)
    picture = arguments.picture or _beside(path)
    if picture is None and (arguments.picture_size or arguments.dpi):
        raise InputError("--picture-size and --dpi have no effect: of these weights no picture is drawn, unless "
                         "--picture names one")
    data = measured_data(arguments, meta, path)
    with user_errors(name), on_stderr("eval", arguments.quiet) as progress:
        try:
            found = training.evaluate(model, data.images, data.labels, rules=data.rules, progress=progress)
        except InputError as error:
            size = data.images.shape[1:3]
            if size == data.rules.size:
                raise
            raise InputError(f"{path}: its network was trained on {data.rules}, and does not take the images of "
                             f"{data.dataset}, which have {in_pixels(size)}: {error}. Name a folder of pictures by "
                             "--data-dir: they are scaled") from error
    classes = _class_names(data, len(found.confusion))
    result = {"checkpoint": None if path is None else str(path), "model": name, "dataset": data.dataset,
              "part": data.part, "images": len(data.labels), "class_names": classes, "seen_in_training": data.seen,
              "error": found.error, "loss": found.loss, "confusion": found.confusion.tolist(),
              "picture": None if picture is None else str(picture)}
    if not math.isfinite(found.loss):
        note_stderr("the loss is not a finite number: weights are NaN or infinite, or far too large")
    print_result(arguments, result, lambda: _print(arguments.checkpoint, result))
    if picture is not None:
        with replacements([] if arguments.picture else [picture]):
            _draw(result, data, found, picture, arguments)
        if not arguments.json:
            print_text(f"the most confident mistakes: {picture}")


def _beside(path):
    """The path of the picture beside the weights. None if they do not belong to a run, or it cannot be written."""
    from ...files import check_destination
    from ...training import HISTORY
    if path is None or not (path.parent / HISTORY).is_file():
        return None
    try:
        return check_destination(path.with_name("mistakes.png"))
    except MinicnnError as error:
        note_stderr(f"no picture: {error}")
        return None


def _print(given, result):
    confusion = result["confusion"]
    wrong = result["images"] - sum(confusion[i][i] for i in range(len(confusion)))
    weights = given or ("the weights in the package" if result["checkpoint"] else "the network's own weights")
    print_text(f"{weights}, {result['model']}, on the {result['images']:,} {result['part']} images of "
               f"{result['dataset']}: error {result['error']:.2%} ({wrong} wrong), loss {result['loss']:.4f}")
    if result["seen_in_training"]:
        print_text("The network was trained on these images. The error says nothing about new images.")
    if result["part"] == "given":
        print_text("All pictures of the folder count. If the network was trained on some of them, the error says "
                   "nothing about new pictures.")
    names = result["class_names"]
    matrix = [Column("true \\ predicted", left=True), *map(Column, names)]
    rows = [[name, *map(str, row)] for name, row in zip(names, confusion, strict=True)]
    needed = max(map(len, (matrix[0].title, *names)))
    needed += sum(2 + max(len(name), *(len(row[i + 1]) for row in rows)) for i, name in enumerate(names))
    if needed <= width():
        print_table(matrix, rows)
    else:
        print_table(MISTAKES, [[names[i], str(row[i]), ", ".join(f"{names[j]}: {n}" for j, n in enumerate(row)
                                                                 if n and j != i)] for i, row in enumerate(confusion)])


def _class_names(data, count):
    """The names of the classes; their numbers if the names are not known, or are those of other classes."""
    names = data.class_names
    return [str(number) for number in range(count)] if names is None or len(names) != count else list(names)


@plain_style
def _draw(result, data, found, path, arguments):
    from ... import viz
    figure, axes = viz.new_figure(12, 5.5, 2)
    viz.confusion_matrix(found.confusion, axes[0], result["class_names"])
    viz.worst_mistakes(data.images, data.labels, found, axes[1], class_names=result["class_names"])
    for ax in axes:
        ax.set_anchor("N")                              # the titles stand at one height
    seen = ", images that it was trained on" if result["seen_in_training"] else ""
    figure.suptitle(f"{result['model']} on {result['dataset']}: {result['error']:.2%} of {result['images']:,} "
                    f"{result['part']} images wrong{seen}", parse_math=False)
    save_picture(figure, path, arguments)
