"""Options that several commands share."""

from __future__ import annotations

from .parser import Parser
from .values import algorithm_names, given_path, name_of


def add_json(command: Parser) -> None:
    """Add --json."""
    command.add_argument("--json", action="store_true", help="print the result as one line of JSON, and nothing else "
                                                             "on stdout")


def add_quiet(command: Parser) -> None:
    """Add --quiet."""
    command.add_argument("--quiet", action="store_true", help="show no progress on stderr")


def add_algorithm(command: Parser, default: str, help: str) -> None:
    """Add --algo."""
    command.add_argument("--algo", type=name_of(algorithm_names), default=default, metavar="NAME", help=help)


def add_model(command: Parser) -> None:
    """Add --model."""
    from ...models import MODELS
    from ..networks import network
    command.add_argument("--model", type=network, default="lenet", metavar="NAME",
                         help=f"the network: {', '.join(MODELS)}; or FILE.py:NAME, a Module class of yours or a "
                              "function that returns a Module")


def add_data(command: Parser, default: str = "auto") -> None:
    """Add --dataset and --data."""
    from ...data import DATASETS
    automatic = default == "auto"
    command.add_argument("--dataset", choices=[name for name in DATASETS if automatic or name != "auto"],
                         default=default, help="auto: full MNIST if it is there or can be downloaded, else the "
                         "5,000 embedded digits" if automatic else "the dataset whose files are shown")
    command.add_argument("--data", type=given_path, metavar="DIR",
                         help="directory with the four IDX files (default: the directory in MINICNN_DATA, else the "
                              "cache directory)")
    command.refuse("data", when=("dataset", "mnist5k"), because="these digits are part of the package")
