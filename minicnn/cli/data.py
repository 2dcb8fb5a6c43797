"""`minicnn data`: which data files are there, where from, and whether they are genuine."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import FileError
from .options import add_command, add_data, add_json
from .output import fold, put, show, width


def add_parser(commands: Any) -> None:
    """Add `data` to the commands."""
    command = add_command(
        commands, "data", run, "show which data files are there, where from, and verify them",
        "Show which data files are there and where from, and verify them by their checksums. Exit status 1: a file is "
        "missing or corrupt.", "minicnn data --dataset fashion-mnist --download")
    add_data(command, default="mnist")
    command.add_argument("--download", action="store_true", help="download into the cache directory what is missing "
                                                                 "there, first")
    command.refuse("download", when=("dataset", "mnist5k"), because="these digits are part of the package")
    command.refuse("download", when="data", because="only the cache directory is downloaded to")
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """minicnn data: 0 if all files are there and genuine, 1 if not."""
    from ..data import describe, load
    if arguments.data is not None and not Path(arguments.data).expanduser().is_dir():
        raise FileError(f"--data {arguments.data}: there is no such directory")
    if arguments.download:
        load(arguments.dataset)
    records = describe(arguments.dataset, arguments.data)
    show(arguments, [asdict(record) for record in records], lambda: _print(records))
    return 1 if any(record.state.startswith(("missing", "corrupt")) for record in records) else 0


def _print(records):
    for record in records:
        size = "" if record.size is None else f", {record.size:,} bytes"
        put(fold(f"{record.name}: {record.state}{size}\n    {record.path}\n    {record.origin}", width(), "    "))
