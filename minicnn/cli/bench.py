"""`minicnn bench train` and `minicnn bench conv`: compare speed and error with other libraries."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ..bench import instruction_sets, libraries
from . import FAILED, OK, bench_text
from .options import (
    PICTURES,
    add_command,
    add_json,
    add_quiet,
    algorithm_names,
    destination,
    from_checked,
    names,
    threads,
    to_integer,
)
from .output import Column, note_stderr, print_result, print_table, print_text

ALL, INSTALLED, NONE = "all", "installed", "none"       # --against and other options take these words or names


def add_parser(commands: Any) -> None:
    """Add `bench` and its two benchmarks to the commands."""
    bench = commands.add_parser("bench", help="compare speed and error with other libraries",
                                description="Compare speed and error with other libraries.",
                                epilog="example: minicnn bench train --against installed")
    bench.add_argument("--calibrate", action=_Calibrate, help="measure this machine in a second, and keep its speeds "
                                                              "for the choice of convolution algorithms")
    kinds = bench.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    _add_train(kinds)
    _add_conv(kinds)


class _Calibrate(argparse.Action):
    """--calibrate: measure the machine, keep the speeds, print them, and end as --version does."""

    def __init__(self, option_strings: Any, dest: str, **options: Any):
        super().__init__(option_strings, dest, nargs=0, **{**options, "default": argparse.SUPPRESS})

    def __call__(self, parser: Any, *_: Any) -> None:
        from ..conv import calibration, speeds
        measured = calibration.measure_speeds()
        path = speeds.save(measured)
        expected = speeds.default_speeds(speeds.target())
        print_table((bench_text.NAME, Column("measured"), Column("assumed")), [
            [name, f"{number:.2e}", f"{getattr(expected, name):.2e}"] for name, number in vars(measured).items()])
        print_text("\nUnits: float32 numbers a second; call: seconds. From now on \"auto\" predicts with the measured "
                   f"speeds, which may change the last bits of a training. {speeds.VARIABLE}=off, or deleting {path}, "
                   "restores the assumed speeds.")
        parser.exit()


def _add_train(kinds):
    command = add_command(
        kinds, "train", train, "a training step of the LeNet",
        "Time a training step of the LeNet in minicnn and other libraries, or with --forward a pass without gradients. "
        "Each library runs in its own process, and they take turns. Before that, their results are compared. Exit "
        "status 1: a result is wrong, or minicnn failed.",
        "minicnn bench train --against torch --batch-size 64 256 --instructions avx2 --chart speed.png")
    option = command.add_argument
    option("--against", type=_against, default="textbook", metavar="NAMES",
           help=f"libraries to compare with, with commas: {', '.join(libraries.others())}; {ALL}, {INSTALLED} or "
                f"{NONE}")
    option("--algorithms", type=names(algorithm_names, "auto,direct"), default="auto", metavar="NAMES",
           help="minicnn's convolution algorithms, with commas; the ratios are to the first one")
    option("--forward", action="store_true", help="logits without gradients instead of a training step")
    option("--profile", action="store_true", help="instead, show where the time of minicnn's step goes")
    _add_common(command, 64, 15, "rounds; in each round every competitor takes some steps")
    command.refuse("against", "forward", "chart", when="profile", because="it measures minicnn's training step alone")
    command.refuse("algorithms", when=lambda given: given.profile and len(given.algorithms) > 1,
                   because="--profile is about one algorithm; name one")


def _add_conv(kinds):
    from ..bench.network_layers import NETWORKS
    command = add_command(
        kinds, "conv", conv, "single convolution layers",
        "Time single layers of well-known networks: the forward pass and both gradients, by each algorithm and by "
        "PyTorch, in turn. Measure the errors of the results against float64. Exit status 1: a result is wrong, or "
        "minicnn failed.", "minicnn bench conv --network lenet,vgg --batch-size 1 64 --against none")
    option = command.add_argument
    option("--network", type=_or_word(names(NETWORKS, "lenet,vgg"), ALL), default=ALL, metavar="NAMES",
           help=f"the networks, with commas: {', '.join(NETWORKS)}; {ALL}")
    option("--against", type=lambda text: _against(text, layers=True), default=INSTALLED, metavar="NAMES",
           help=f"libraries, with commas: {', '.join(libraries.others(layers=True))}; {ALL}, {INSTALLED} or {NONE}")
    option("--algorithms", type=_or_word(names(algorithm_names, "auto,direct"), ALL), default=ALL, metavar="NAMES",
           help=f"minicnn's convolution algorithms, with commas; {ALL}: auto, and those that it chooses from")
    option("--find", action="store_true", help="instead, print what minicnn.conv.find measures, and its choice")
    _add_common(command, 16, 5, "rounds at most; large layers get fewer")
    command.refuse("against", "chart", when="find", because="it measures minicnn's algorithms alone")


def _add_common(command, batch_size, repeats, rounds):
    option = command.add_argument
    option("--batch-size", type=to_integer(1), nargs="+", default=[batch_size], metavar="N",
           help="batch sizes; each one is measured")
    option("--repeats", type=to_integer(1), default=repeats, metavar="N", help=rounds)
    option("--threads", type=threads, nargs="+", metavar="N",
           help="numbers of threads (each thread has its own core); each number is measured (default: all cores)")
    option("--chart", type=destination(*PICTURES), metavar="FILE", help="draw speed beside error (png, pdf or svg)")
    option("--instructions", type=from_checked(instruction_sets.check), default=instruction_sets.NATIVE, metavar="SET",
           help=f"the instruction set that all libraries are held to, from before they are imported: one of "
                f"{', '.join(instruction_sets.NAMES)}; {instruction_sets.NATIVE} is the best that each library finds")
    add_quiet(command)
    add_json(command)


# Types.

def _or_word(parse: Callable, word: str) -> Callable:
    return lambda text: word if text == word else parse(text)


def _against(text, layers=False):
    """Type of --against: one of the words, or the names of libraries."""
    if text in (ALL, INSTALLED, NONE):
        return text
    known = tuple(libraries.others(layers))
    return names(known if "," in text else (*known, ALL, INSTALLED, NONE), "torch,jax")(text)


def _competitors(chosen, layers=False):
    """The competitors behind --against."""
    known = libraries.others(layers)
    groups = {NONE: (), ALL: known, INSTALLED: [name for name, library in known.items() if library.installed]}
    return libraries.competitors(groups.get(chosen, chosen), layers)


# The benchmarks.

def train(arguments: argparse.Namespace) -> int:
    """minicnn bench train."""
    from ..bench import profile
    from ..bench import train as bench
    from ..bench.round_robin import parts
    others = [] if arguments.profile else _competitors(arguments.against)
    ours = [libraries.with_algorithm(name) for name in arguments.algorithms]
    tasks = [bench.Task(not arguments.forward, size, count, arguments.instructions)
             for count in _thread_counts(arguments) for size in arguments.batch_size]
    kind, show = ("profile", bench_text.print_profile) if arguments.profile else ("train", bench_text.print_training)
    result = _result(kind, arguments)
    with _measuring(arguments, result, show) as progress:
        titles = [f"batch {task.batch_size}" for task in tasks]
        for task, part in zip(tasks, parts(progress, [task.relative_time for task in tasks], titles), strict=True):
            if arguments.profile:
                algorithm = ours[0].variant
                found = profile.run(algorithm, task, arguments.repeats, part)
                found = {"title": str(task), "batch_size": task.batch_size, "threads": task.threads,
                         "algorithm": algorithm, "repeats": arguments.repeats, **found}
            else:
                found = bench.run(task, [*ours, *others], arguments.repeats, part)
            result["runs"].append(found)
    return _finish(arguments, result)


def conv(arguments: argparse.Namespace) -> int:
    """minicnn bench conv."""
    from ..bench import layers
    from ..bench.network_layers import NETWORKS, layers_of
    from ..bench.round_robin import parts
    others = [] if arguments.find else _competitors(arguments.against, layers=True)
    named = layers_of(NETWORKS if arguments.network == ALL else arguments.network)
    names = ["all"] if arguments.algorithms == ALL else list(arguments.algorithms)
    counts = _thread_counts(arguments)
    work = [(count, size, layer) for count in counts for size in arguments.batch_size for layer in named]
    kind, show = ("find", bench_text.print_found) if arguments.find else ("conv", bench_text.print_layers)
    result = _result(kind, arguments)
    with _measuring(arguments, result, show) as progress:
        steps = list(zip(work, parts(progress, [layers.relative_time(layer, size) for _, size, layer in work],
                                     [f"{layer}, batch {size}" for _, size, layer in work]), strict=True))
        for count in counts:
            with layers.Crew(count, arguments.instructions) as crew:
                for (_, size, layer), part in (step for step in steps if step[0][0] == count):
                    result["runs"].append(
                        layers.find_records(layer, size, crew, names, arguments.repeats, part) if arguments.find else
                        layers.run(layer, size, crew, names, others, arguments.repeats, part))
    return _finish(arguments, result)


def _thread_counts(arguments):
    from ..bench import machine
    from ..conv.runtime.threads import get_num_threads
    return arguments.threads or [min(get_num_threads(), len(machine.cores()))]


def _result(benchmark, arguments):
    """The result without its runs. If the machine is busy, a note on stderr says that the ratios will be wrong."""
    from ..bench import machine
    result = {"benchmark": benchmark, "instructions": arguments.instructions, **machine.facts(), "runs": []}
    busy, cores = result["load_before"], result["cores"]
    if busy > cores / 2:
        note_stderr(f"The machine is busy (load {busy:.1f}, cores {cores}). This slows threads that wait for each "
                    "other most, so even the ratios will be wrong.")
    return result


@contextlib.contextmanager
def _measuring(arguments: argparse.Namespace, result: dict, text: Callable) -> Iterator[Any]:
    """Context manager: a Progress. At the end it prints the result; after Ctrl-C, the runs measured so far."""
    from ..progress import on_stderr
    try:
        with on_stderr(f"bench {result['benchmark']}", arguments.quiet) as progress:
            yield progress
    except KeyboardInterrupt:
        if result["runs"]:
            print_result(arguments, result, lambda: text(result))
        raise
    print_result(arguments, result, lambda: text(result))


def _finish(arguments, result):
    """Draw the chart. Return FAILED if a result is wrong or minicnn failed, else OK."""
    if arguments.chart:
        from ..viz import save
        from ..viz.speed import speed_and_error
        save(speed_and_error([result]), arguments.chart)
    rows = [row for run in result["runs"] for row in run.get("rows", ()) if "status" in row]
    bad = any(row["status"] == "wrong" or row["status"] == "failed" and row["library"] == "minicnn" for row in rows)
    return FAILED if bad else OK
