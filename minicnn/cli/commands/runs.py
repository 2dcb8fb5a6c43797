"""`minicnn runs`: compare runs in a table and in a picture."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from typing import Any

from ...errors import InputError, MinicnnError
from ..options import add_command, add_drawing, add_json, add_quiet, given_path
from ..output import Column, note_stderr, plain_style, print_result, print_table, print_text, save_picture

COLUMNS = (Column("run", left=True, least=12), Column("model", 3, True), Column("data", 4, True),
           Column("settings that differ", 2, True, 16), Column("epochs", 5), Column("best epoch", 7, least=5),
           Column("validation error", least=10), Column("test error", 1, least=5), Column("seconds", 6))


def add_parser(commands: Any) -> None:
    """Add `runs` to the commands."""
    command = add_command(
        commands, "runs", run, "compare trainings in a table and in a picture",
        "Compare runs. The one with the least validation error stands first. Directories that are not runs, or are "
        "damaged, are named on stderr and left out.", "minicnn runs runs --picture curves.png")
    command.add_argument("directories", nargs="*", type=given_path, default=["runs"], metavar="DIR",
                         help="the directory of a run, or a directory with runs in it")
    add_drawing(command, "draw the learning curves of all runs in one picture")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn runs."""
    from ...progress import on_stderr
    from ...training import differing
    with on_stderr("runs", arguments.quiet) as progress:
        records, left_out = _read(arguments.directories, progress)
    for one in left_out:
        note_stderr(f"left out: {one['reason']}")
    if not records:
        raise InputError(f"there is no run in {', '.join(arguments.directories)}: minicnn train makes one")
    records.sort(key=lambda record: (1.0 if record.best is None else record.best["val_error"], str(record.directory)))
    differ = differing(records)
    picture = arguments.picture
    result = {"runs": [_as_dict(record) for record in records], "differ": differ, "left_out": left_out,
              "picture": None if picture is None else str(picture)}
    if picture is not None:
        _draw(records, arguments)
    print_result(arguments, result, lambda: _print(result))


def _read(directories, progress):
    """The records of all runs, each once; and {"directory", "reason"} for each directory that is left out."""
    from ...training import find_runs, read_run
    records, left_out, seen = [], [], set()
    for directory in directories:
        runs, others = find_runs(directory)
        left_out += [{"directory": str(path), "reason": f"{path} is not the directory of a run"} for path in others]
        for i, path in enumerate(runs):
            progress.update(i, len(runs), str(path))
            if (real := os.path.realpath(path)) in seen:
                continue
            seen.add(real)
            try:
                records.append(read_run(path))
            except (MinicnnError, OSError) as error:
                left_out.append({"directory": str(path), "reason": str(error)})
    return records, left_out


def _as_dict(record):
    best = record.best or {}
    return {"run": str(record.directory), "model": record.model, "dataset": record.dataset,
            "settings": asdict(record.settings), "epochs": len(record.history), "complete": record.complete,
            "best_epoch": best.get("epoch"), "val_error": best.get("val_error"), "test_error": record.test_error,
            "seconds": round(record.seconds, 3), "from": record.initial,
            "image_size": None if record.rules is None else list(record.rules.size),
            "channels": None if record.rules is None else record.rules.channels}


def _print(result):
    percent = lambda value: "" if value is None else f"{value:.2%}"
    rows, chosen = [], [_choices(one, result["differ"]) for one in result["runs"]]
    names = [name for name in chosen[0] if any(one[name] != chosen[0][name] for one in chosen)]
    usual = {name: found for name in names if (found := _usual([one[name] for one in chosen]))}
    for one, choices in zip(result["runs"], chosen, strict=True):
        settings = ", ".join(f"{name} {choices[name] or 'none'}" for name in names
                             if (choices[name] != usual[name] if name in usual else choices[name]))
        planned = "" if one["complete"] else f" of {one['settings']['epochs']}"
        rows.append([one["run"], one["model"], one["dataset"], settings, f"{one['epochs']}{planned}",
                     str(one["best_epoch"] or ""), percent(one["val_error"]), percent(one["test_error"]),
                     f"{one['seconds']:.1f}" if one["seconds"] < 10 else f"{one['seconds']:,.0f}"])
    print_table(COLUMNS, rows)
    if usual:
        print_text(f"settings that a row does not name: {', '.join(f'{name} {usual[name]}' for name in usual)}")
    if result["picture"]:
        print_text(f"learning curves: {result['picture']}")


def _choices(one, differ):
    """The text of every choice that may differ between runs, by its name; "" for what is off."""
    choices = {name: "" if _is_off(name, value := one["settings"][name]) else _shown(value) for name in differ
               if name != "epochs"}
    size, channels = one["image_size"], one["channels"]
    return {**choices, "image_size": "" if size is None else ",".join(map(str, size)),
            "channels": "" if channels is None else str(channels), "from": one["from"] or ""}


def _usual(texts):
    """The text that most runs have, if there are two of them; else ""."""
    most = max(texts, key=texts.count)
    return most if texts.count(most) > 1 else ""


def _is_off(name, value):
    """Whether a setting changes nothing: the table is wide enough without it."""
    return value in (None, (), []) or name in ("max_shift", "warmup") and value == 0


def _shown(value):
    if isinstance(value, (tuple, list)):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _curves(records):
    """The histories to draw by their names. Runs that differ only in the seed stand under one name."""
    groups: dict[str, list[Any]] = {}
    for record in records:
        settings = {name: value for name, value in asdict(record.settings).items() if name != "seed"}
        key = repr((record.model, record.dataset, record.initial, record.rules, settings))
        groups.setdefault(key, []).append(record)
    common = os.path.commonpath([os.path.abspath(record.directory) for record in records])
    named = {}
    for group in groups.values():
        names = sorted(os.path.relpath(record.directory, common) for record in group)
        name = names[0] if len(names) == 1 else f"{os.path.commonprefix(names) or names[0]}… ({len(names)} seeds)"
        named[name] = [record.history for record in group]
    return named


@plain_style
def _draw(records, arguments):
    from ... import viz
    figure, ax = viz.new_figure(9, 5)
    if len(records) == 1 and records[0].history:
        viz.learning_curve(records[0].history, ax)
    else:
        viz.learning_curves(_curves(records), ax)
    save_picture(figure, arguments.picture, arguments)
