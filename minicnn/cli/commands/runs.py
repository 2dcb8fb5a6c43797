"""`minicnn runs`: compare runs in a table and in a picture."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from typing import Any

from ...errors import InputError, MinicnnError
from ..options import PICTURES, add_command, add_json, add_quiet, destination, given_path
from ..output import Column, note_stderr, plain_style, print_result, print_table, print_text

COLUMNS = (Column("run", left=True, least=12), Column("model", 5, True), Column("data", 6, True),
           Column("settings that differ", 2, True, 16), Column("epochs", 3), Column("best epoch", 7),
           Column("validation error"), Column("test error", 1), Column("seconds", 4))


def add_parser(commands: Any) -> None:
    """Add `runs` to the commands."""
    command = add_command(
        commands, "runs", run, "compare trainings in a table and in a picture",
        "Compare runs. The one with the least validation error stands first. Directories that are not runs, or are "
        "damaged, are named on stderr and left out.", "minicnn runs runs --picture curves.png")
    command.add_argument("directories", nargs="*", type=given_path, default=["runs"], metavar="DIR",
                         help="the directory of a run, or a directory with runs in it (default: runs)")
    command.add_argument("--picture", type=destination(*PICTURES), metavar="FILE",
                         help="draw the learning curves of all runs in one picture (png, pdf or svg)")
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
        _draw({str(record.directory): record.history for record in records}, picture)
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
            "seconds": round(record.seconds, 3)}


def _print(result):
    percent = lambda value: "" if value is None else f"{value:.2%}"
    rows = []
    for one in result["runs"]:
        settings = ", ".join(f"{name} {_shown(value)}" for name in result["differ"] if name != "epochs"
                             and not _is_off(name, value := one["settings"][name]))
        planned = "" if one["complete"] else f" of {one['settings']['epochs']}"
        rows.append([one["run"], one["model"], one["dataset"], settings, f"{one['epochs']}{planned}",
                     str(one["best_epoch"] or ""), percent(one["val_error"]), percent(one["test_error"]),
                     f"{one['seconds']:.1f}" if one["seconds"] < 10 else f"{one['seconds']:,.0f}"])
    print_table(COLUMNS, rows)
    if result["picture"]:
        print_text(f"learning curves: {result['picture']}")


def _is_off(name, value):
    """Whether a setting changes nothing: the table is wide enough without it."""
    return value in (None, (), []) or name in ("max_shift", "warmup") and value == 0


def _shown(value):
    if isinstance(value, (tuple, list)):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@plain_style
def _draw(histories, path):
    from ... import viz
    figure, ax = viz.new_figure(9, 5)
    viz.learning_curves(histories, ax)
    viz.save(figure, path)
