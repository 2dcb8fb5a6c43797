"""`minicnn gradcheck`: check gradients against finite differences."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import asdict
from inspect import isfunction, signature
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ...errors import InputError
from .. import FAILED, OK
from ..options import add_command, add_json, add_quiet, shape, to_integer
from ..output import Column, print_result, print_table, print_text

COLUMNS = (Column("operation", left=True, least=14), Column("inputs", 2, left=True, least=12),
           Column("largest error", 1), Column("verdict"), Column("ms", 3))
EXAMPLE = """minicnn gradcheck my_code.py:my_function --shape 3,4

An example of my_code.py. It holds my_code.py:scale and my_code.py:square:

    shapes = {"scale": [(3, 4), (4,)]}

    def scale(x, factor):
        return x * factor

    square = (lambda x: x * x), (lambda grad, x: 2 * grad * x)"""


def add_parser(commands: Any) -> None:
    """Add `gradcheck` to the commands."""
    command = add_command(
        commands, "gradcheck", run, "check gradients against finite differences",
        "Check the gradients of your function, or of every operation of minicnn, against finite differences in "
        "float64. Exit status 1: a gradient is wrong.", EXAMPLE)
    option = command.add_argument
    option("target", nargs="?", metavar="FILE.py:FUNCTION",
           help="your own function of Tensors, Module, or pair (forward, backward) of functions on arrays, in a file "
                "or as module:attribute; also a Module, function or autograd.Function of PyTorch, and a function of "
                "JAX (default: every operation of minicnn)")
    option("--shape", type=shape, action="append", metavar="3,4", help="shape of an input of your function; repeat it "
           "for each input. Default: the shapes that the file gives in `shapes`, else 3,4")
    option("--seed", type=to_integer(0), default=0, metavar="N", help="seed of the inputs")
    command.refuse("shape", unless="target")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """minicnn gradcheck. The status is OK if all gradients are right, else FAILED."""
    from ...progress import on_stderr
    with on_stderr("gradcheck", arguments.quiet) as progress:
        if arguments.target is None:
            from ...gradcheck import run_catalogue
            results = run_catalogue(progress, arguments.seed)
        else:
            results = [_check(arguments, progress)]
    print_result(arguments, [asdict(result) for result in results], lambda: _print(results))
    return OK if all(result.passed for result in results) else FAILED


def _check(arguments, progress):
    from ...gradcheck.target import is_pair
    from ...gradcheck.user_function import ShapesError, check_user_function, takes_class
    from ..networks import made_operator
    from ..user_code import load_object_and_module, refuse_class
    function, module, name = load_object_and_module(arguments.target)
    if isfunction(function) and not signature(function).parameters:
        function = made_operator(function, arguments.target, np.random.default_rng(arguments.seed), {}, arguments.quiet)
    if not takes_class(function):
        refuse_class(function, arguments.target)
    if not (callable(function) or is_pair(function)):
        raise InputError(f"{arguments.target} is a {type(function).__name__}: name a function of Tensors, a Module, or "
                         "a pair (forward, backward) of functions on arrays")
    shapes = arguments.shape or _shapes(module, name)
    try:
        return check_user_function(function, shapes, arguments.seed, name=arguments.target, progress=progress)
    except ShapesError as error:                        # its message ends with "give other shapes"
        raise InputError(f"{error} with --shape") from error


def _shapes(module, name):
    """The shapes that the user's file gives in `shapes`, or None."""
    from ...gradcheck.user_function import are_shapes
    shapes = getattr(module, "shapes", None)
    if shapes is None or isinstance(shapes, (ModuleType, FunctionType)):        # `shapes` has another meaning there
        return None
    if not isinstance(shapes, dict) or name in shapes and not are_shapes(shapes[name]):
        file, example = Path(module.__file__ or "").name, f'{{"{name}": [(3, 4), (4,)]}}'
        raise InputError(f"{file}: `shapes` must be as in {example}, not {textwrap.shorten(repr(shapes), 60)}")
    return shapes.get(name)


def _print(results):
    print_table(COLUMNS, [
        [result.name, " ".join(str(tuple(shape)) for shape in result.inputs),
         "" if result.max_error is None else f"{result.max_error:.1e}",
         "ok" if result.passed else "WRONG" if result.checked else "not checked",
         f"{result.seconds * 1e3:.0f}"] for result in results])
    for result in results:
        if not result.passed:
            print_text(f"{result.name}: {result.reason}")
        if result.called:
            print_text(f"{result.name} was {result.called}")
