"""`minicnn predict`: the class of pictures, and which pixels count."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ..options import add_command, add_drawing, add_json, add_quiet, given_path
from ..output import Column, plain_style, print_result, print_table, print_text, save_picture

SCORES = Column("class", left=True), Column("score"), Column("probability")
SHOWN = 10                              # classes in a table
SMALL = 0.01                            # of the spread of the scores: what a unit must add to be named
LEAST = 0.1                             # percentage points: the least fall of the probability that is named

EXAMPLE = """minicnn predict my_digit.png --picture why.png

A picture is turned upright, scaled until it just covers the size that the network needs, and its middle is cut out; it
becomes grey or coloured as the training was. MNIST and its relatives (Fashion, EMNIST, KMNIST, QMNIST) are light on
dark: for a network that was trained on one of them, a picture whose border is light (median above 127) is inverted. The
output says what was done."""


class Picture(NamedTuple):
    """A picture file, and its pixels as the network gets them."""

    name: str
    size: tuple[int, int]               # of the file: height, width
    pixels: np.ndarray                  # uint8, (H, W) or (H, W, 3)
    inverted: bool


def add_parser(commands: Any) -> None:
    """Add `predict` to the commands."""
    from ..networks import network
    command = add_command(
        commands, "predict", run, "classify pictures, and show which pixels count",
        "Classify pictures with a trained network. Say which unit of the last map adds most to the score of the class, "
        "which pixels this unit sees, and which square of pixels lowers the probability most when it is hidden.",
        EXAMPLE)
    option = command.add_argument
    option("pictures", nargs="+", type=given_path, metavar="PICTURE", help="files of any format that Pillow reads")
    option("--weights", type=given_path, metavar="RUN",
           help="the directory of a run, or a .safetensors, .pt or .pth file (default: the weights in the package)")
    option("--model", type=network, metavar="NAME",
           help="the network that has these weights, or FILE.py:NAME; a run remembers its own")
    option("--invert", choices=("auto", "yes", "no"), default="auto",
           help="invert grey pictures, which makes dark on light to light on dark; auto: see below")
    add_drawing(command, "draw the picture with the pixels that count")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn predict."""
    from ...data import DATASETS, normalize
    from ...progress import on_stderr
    from ...training import predict
    from ..data_choice import OWN, classes_of, rules_of
    from ..networks import measured_network
    from ..user_code import user_errors
    target, count = arguments.picture, len(arguments.pictures)
    if target is not None and count > 1:
        raise InputError(f"--picture {target}: it explains the answer to one PICTURE, but {count} are given: give "
                         "one, or leave --picture out")
    if target is not None and os.path.realpath(target) == os.path.realpath(arguments.pictures[0]):
        raise InputError(f"--picture {target}: this is the PICTURE itself, which would be lost: give another name")
    path, name, model, meta = measured_network(arguments.weights, arguments.model)
    rules, names = rules_of(meta, path), classes_of(meta, path)
    on_dark = OWN not in meta and meta.get("dataset", "mnist") in DATASETS      # all that are grey
    pictures = [_read(file, rules, arguments.invert, on_dark) for file in arguments.pictures]
    found: list[Any] = []
    with on_stderr("predict", arguments.quiet) as progress:
        for picture in pictures:
            progress.update(len(found), len(pictures), picture.name)
            image = normalize(picture.pixels[None], rules)[0]
            with user_errors(name, f"a picture of shape {image.shape}"):
                found.append(predict(model, image))
    names = names or tuple(map(str, range(len(found[0].scores))))
    if len(names) != len(found[0].scores):
        raise InputError(f"{path}: it names {len(names)} classes, but its network returns {len(found[0].scores)} "
                         "scores: name another network by --model, or take another checkpoint")
    where = None if arguments.picture is None else str(arguments.picture)
    result = {"weights": None if path is None else str(path), "model": name, "picture": where,
              "pictures": [_record(*pair, names) for pair in zip(pictures, found, strict=True)]}
    print_result(arguments, result, lambda: _print(result, rules))
    if arguments.picture is not None:
        _draw(pictures[0], found[0], names, arguments)


def _read(file, rules, invert, on_dark):
    """Read a picture by the rules of the training, whose pictures were light on dark or not."""
    from ...data import read_picture
    from ...data.sources.pictures import check_size, facts
    if os.path.isdir(file):
        raise InputError(f"{file}: this is a directory; name picture files, such as {os.path.join(file, 'NAME.png')}")
    size = facts(file).size
    check_size(file, size, rules)
    pixels = read_picture(file, rules)
    if pixels.ndim == 3:
        if invert == "yes":
            raise InputError("--invert yes has no effect: the network takes pictures in colour. Leave it out")
        return Picture(file, size, pixels, False)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    inverted = invert == "yes" or invert == "auto" and on_dark and bool(np.median(border) > 127)
    return Picture(file, size, 255 - pixels if inverted else pixels, inverted)


def _record(picture, found, names):
    """What is known of one picture, for JSON."""
    answered = found.label >= 0
    return {"picture": picture.name, "size": list(picture.size), "inverted": picture.inverted,
            "class": names[found.label] if answered else None, "label": found.label if answered else None,
            "probability": float(found.probabilities[found.label]) if answered else None,
            "scores": {name: float(score) for name, score in zip(names, found.scores, strict=True)},
            "probabilities": {name: float(value) for name, value in zip(names, found.probabilities, strict=True)},
            "unit": None if found.unit is None else asdict(found.unit),
            "hiding": {"box": asdict(found.square), "fall": found.fall} if answered else None}


def _print(result, rules):
    from ...data.rules import in_pixels
    from ...training import weights_file
    weights = "the weights in the package, trained on MNIST digits"
    if result["weights"] != str(weights_file()):
        weights = f"the weights {result['weights']}" if result["weights"] else "its own weights"
    print_text(f"network: {result['model']} with {weights}")
    for number, one in enumerate(result["pictures"]):
        if number:
            print_text("")
        done = [in_pixels(one["size"]), f"seen by the network as {rules}"]
        done += ["inverted, because it is dark on light" if one["inverted"] else "not inverted"] * (rules.channels == 1)
        answer = "no answer" if one["class"] is None else f"{one['class']}, {one['probability']:.1%}"
        print_text(f"{one['picture']}: {answer} ({', '.join(done)})")
        scores, likely = one["scores"], one["probabilities"]
        shown = sorted(likely, key=lambda name: -likely[name])[:SHOWN] if len(likely) > SHOWN else list(likely)
        print_table(SCORES, [[name, f"{scores[name]:.3f}", f"{likely[name]:.2%}"] for name in shown])
        if len(likely) > SHOWN:
            print_text(f"the {SHOWN} most probable of {len(likely)} classes")
        if one["unit"] is not None:
            print_text(_unit(one["unit"], rules, max(scores.values()) - min(scores.values())))
        if one["hiding"] is not None:
            print_text(_hiding(one["hiding"], rules))


def _unit(unit, rules, spread):
    """A line about the unit that adds most. `spread` is the difference between the highest and the lowest score."""
    if unit["contribution"] < SMALL * spread:
        return f"no unit of {unit['layer']} adds much to the score of the class: at most {unit['contribution']:.1g}"
    return (f"the unit that adds most to the score: {unit['layer']}, channel {unit['channel']}, at ({unit['row']}, "
            f"{unit['column']}): {unit['contribution']:+.3f}. It sees {_place(unit['box'], rules)}")


def _hiding(hiding, rules):
    points = 100 * hiding["fall"]
    if points < LEAST:
        return f"no square of pixels lowers the probability by {LEAST} percentage points or more when it is hidden"
    return (f"hiding {_place(hiding['box'], rules)} lowers the probability most, by {points:.1f} percentage "
            f"point{'s' * (f'{points:.1f}' != '1.0')}")


def _place(box, rules):
    if (box["height"], box["width"]) == rules.size:
        return "the whole picture"
    return (f"rows {box['top']} to {box['top'] + box['height'] - 1} and columns {box['left']} to "
            f"{box['left'] + box['width'] - 1}")


@plain_style
def _draw(picture: Picture, found: Any, names: tuple[str, ...], arguments: argparse.Namespace) -> None:
    from ... import viz
    save_picture(viz.prediction(picture.pixels, found, names), arguments.picture, arguments)
