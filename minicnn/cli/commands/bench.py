"""`minicnn bench train`, `conv` and `product`: compare speed and error with other libraries."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ...bench import instruction_sets, libraries
from ...bench.lenet_step import NETWORKS
from .. import FAILED, OK, bench_text
from ..options import (
    add_command,
    add_drawing,
    add_json,
    add_quiet,
    algorithm_names,
    from_checked,
    names,
    threads,
    to_integer,
)
from ..output import Column, note_stderr, plain_style, print_result, print_table, print_text, save_picture

ALL, INSTALLED, NONE = "all", "installed", "none"       # --against and other options take these words or names
NAMED = "named"


def add_parser(commands: Any) -> None:
    """Add `bench` and its benchmarks to the commands."""
    bench = commands.add_parser("bench", help="compare speed and error with other libraries",
                                description="Compare speed and error with other libraries.",
                                epilog="example: minicnn bench train --against installed")
    kinds = bench.add_subparsers(dest="benchmark", required=True, metavar="{train,conv,product}")

    class Calibrate(argparse.Action):
        """--calibrate needs no benchmark."""

        def __call__(self, parser: Any, namespace: Any, *_: Any) -> None:
            kinds.required, namespace.calibrate = False, True
    bench.add_argument("--calibrate", action=Calibrate, nargs=0, help="measure this machine in a second, and keep its "
                                                                      "speeds for the choice of convolution algorithms")
    bench.refuse("calibrate", when="benchmark", because="it measures the machine alone")
    bench.set_defaults(run=_calibrate)
    _add_train(kinds)
    _add_conv(kinds)
    _add_product(kinds)


def _calibrate(arguments):
    """minicnn bench --calibrate: measure the machine, keep the speeds and print them."""
    from ...conv import calibration, speeds
    measured = calibration.measure_speeds()
    path = speeds.save(measured)
    expected = speeds.default_speeds(speeds.target())
    print_table((bench_text.NAME, Column("measured"), Column("assumed")), [
        [name, f"{number:.2e}", f"{getattr(expected, name):.2e}"] for name, number in vars(measured).items()])
    print_text("\nUnits: float32 numbers a second; call: seconds. From now on \"auto\" predicts with the measured "
               f"speeds, which may change the last bits of a training. {speeds.VARIABLE}=off, or deleting {path}, "
               "restores the assumed speeds.")


def _add_train(kinds):
    command = add_command(
        kinds, "train", train, "a training step of a network",
        "Time a training step of a network in minicnn and other libraries, or with --forward a pass without gradients. "
        "Each library runs in its own process, and they take turns. Before that, their results are compared. Exit "
        "status 1: a result is wrong, or minicnn failed.",
        "minicnn bench train --against torch --batch-size 64 256 --instructions avx2 --chart speed.png")
    option = command.add_argument
    option("--against", type=_against, default="textbook", metavar="NAMES",
           help=f"libraries to compare with, with commas: {', '.join(libraries.others())}; {ALL}, {INSTALLED} or "
                f"{NONE}")
    option("--algorithms", type=names(algorithm_names, "auto,direct"), default="auto", metavar="NAMES",
           help="minicnn's convolution algorithms, with commas; the ratios are to the first one")
    option("--model", choices=tuple(NETWORKS), default="lenet", help="the network; the batch is random")
    option("--forward", action="store_true", help="logits without gradients instead of a training step")
    option("--profile", action="store_true", help="instead, show where the time of minicnn's step goes")
    option("--fixed", action="store_true", help="instead, lay a line through the steps of several batch sizes: the "
           "part of a step that does not depend on the batch; with several numbers of threads (default: 1 and all "
           "cores) also predict the step on many cores")
    option("--batch-size", type=to_integer(1), nargs="+", metavar="N",
           help="batch sizes; each one is measured (default: 64; with --fixed 16 32 64 128 256)")
    _add_common(command, 15, "rounds; in each round every competitor takes some steps")
    add_drawing(command, "draw speed beside error", "chart")
    command.refuse("against", "forward", "chart", when="profile", because="it measures minicnn's training step alone")
    for instead in "profile", "fixed":
        command.refuse("model", when=instead, because="it measures the LeNet")
    command.refuse("profile", "forward", "chart", when="fixed", because="it measures training steps of many sizes")
    command.refuse("algorithms", when=lambda given: given.profile and len(given.algorithms) > 1,
                   because="--profile is about one algorithm; name one")


def _add_conv(kinds):
    from ...bench.network_layers import NETWORKS, RANDOM
    command = add_command(
        kinds, "conv", conv, "single convolution layers",
        "Time single layers of well-known networks: the forward pass and both gradients, by each algorithm and by "
        "PyTorch, in turn. Measure the errors of the results against float64. Exit status 1: a result is wrong, or "
        "minicnn failed.", "minicnn bench conv --network lenet,vgg --batch-size 1 64 --against none\n\n"
        "example: minicnn bench conv --set random --instructions avx2")
    option = command.add_argument
    option("--set", choices=(NAMED, RANDOM), default=NAMED,
           help="layers of named networks, or 40 layers drawn at random with a fixed seed, each with its batch size")
    option("--network", type=_or_word(names(NETWORKS, "lenet,vgg"), ALL), default=ALL, metavar="NAMES",
           help=f"the networks, with commas: {', '.join(NETWORKS)}; {ALL}")
    option("--against", type=lambda text: _against(text, layers=True), default=INSTALLED, metavar="NAMES",
           help=f"libraries, with commas: {', '.join(libraries.others(layers=True))}; {ALL}, {INSTALLED} or {NONE}")
    option("--algorithms", type=_or_word(names(algorithm_names, "auto,direct"), ALL), default=ALL, metavar="NAMES",
           help=f"minicnn's convolution algorithms, with commas; {ALL}: auto, and those that it chooses from")
    option("--find", action="store_true", help="instead, print what minicnn.conv.find measures, and its choice")
    option("--batch-size", type=to_integer(1), nargs="+", default=[16], metavar="N",
           help="batch sizes; each one is measured")
    _add_common(command, 5, "rounds at most; large layers get fewer")
    add_drawing(command, "draw speed beside error", "chart")
    command.refuse("network", "batch_size", when=("set", RANDOM), because="the layers are drawn with their batch sizes")
    command.refuse("against", "chart", when="find", because="it measures minicnn's algorithms alone")


def _add_product(kinds):
    command = add_command(
        kinds, "product", product, "a layer beside a matrix product",
        "Time minicnn's direct algorithm on a layer (3x3, 64 to 64 channels, 28x28, batch 16) in turn with PyTorch's "
        "product of two matrices of 1,024 x 1,024, and compare the speeds in GFLOP/s.",
        "minicnn bench product --threads 1 2 --instructions avx2")
    _add_common(command, 15, "rounds; in each round both take some turns")


def _add_common(command, repeats, rounds):
    option = command.add_argument
    option("--repeats", type=to_integer(1), default=repeats, metavar="N", help=rounds)
    option("--threads", type=threads, nargs="+", metavar="N",
           help="numbers of threads (each thread has its own core); each number is measured (default: all cores)")
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


def _competitors(chosen, layers=False, model="lenet"):
    """The competitors behind --against."""
    known = libraries.others(layers, model)
    groups = {NONE: (), ALL: known, INSTALLED: [name for name, library in known.items() if library.installed]}
    return libraries.competitors(groups.get(chosen, chosen), layers, model)


# The benchmarks.

def train(arguments: argparse.Namespace) -> int:
    """minicnn bench train."""
    if arguments.fixed:
        return _fixed(arguments)
    from ...bench import profile
    from ...bench import train as bench
    from ...bench.round_robin import parts
    model = arguments.model or "lenet"
    others = [] if arguments.profile else _competitors(arguments.against, model=model)
    ours = [libraries.with_algorithm(name) for name in arguments.algorithms]
    tasks = [bench.Task(not arguments.forward, size, count, arguments.instructions, model)
             for count in _thread_counts(arguments) for size in arguments.batch_size or [64]]
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


def _fixed(arguments):
    """minicnn bench train --fixed."""
    from ...bench import fixed_part
    ours, sizes = map(libraries.with_algorithm, arguments.algorithms), arguments.batch_size or fixed_part.BATCH_SIZES
    competitors = [*ours, *_competitors(arguments.against)]
    result = _result("fixed", arguments)
    with _measuring(arguments, result, bench_text.print_fixed) as progress:
        result["runs"].append(fixed_part.run(competitors, sizes, arguments.threads or [1, *_thread_counts(arguments)],
                                             arguments.repeats, arguments.instructions, progress))
    return _finish(arguments, result)


def product(arguments: argparse.Namespace) -> int:
    """minicnn bench product."""
    from ...bench import matrix_product
    from ...bench.round_robin import parts
    result, counts = _result("product", arguments), _thread_counts(arguments)
    with _measuring(arguments, result, bench_text.print_product) as progress:
        titles = [f"threads {count}" for count in counts]
        for count, part in zip(counts, parts(progress, [1.0] * len(counts), titles), strict=True):
            result["runs"].append(matrix_product.run(count, arguments.repeats, arguments.instructions, part))
    return OK


def conv(arguments: argparse.Namespace) -> int:
    """minicnn bench conv."""
    from ...bench import layers
    from ...bench.layer_summary import summarise
    from ...bench.network_layers import NETWORKS, layers_of, random_layers
    from ...bench.round_robin import parts
    others = [] if arguments.find else _competitors(arguments.against, layers=True)
    chosen = random_layers() if arguments.network is None else \
        layers_of(NETWORKS if arguments.network == ALL else arguments.network)
    names = ["all"] if arguments.algorithms == ALL else list(arguments.algorithms)
    counts = _thread_counts(arguments)
    work = [(count, layer.batch_size or size, layer) for count in counts for size in arguments.batch_size or [1]
            for layer in chosen]
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
        result["summary"] = [] if arguments.find else summarise(result["runs"])
    return _finish(arguments, result)


def _thread_counts(arguments):
    from ...bench import machine
    from ...conv.runtime.threads import get_num_threads
    return arguments.threads or [min(get_num_threads(), len(machine.cores()))]


def _result(benchmark, arguments):
    """The result without its runs. If the machine is busy, a note on stderr says that the ratios will be wrong."""
    from ...bench import machine
    result = {"benchmark": benchmark, "instructions": arguments.instructions, **machine.facts(), "runs": []}
    busy, cores = result["load_before"], result["cores"]
    if busy > cores / 2:
        note_stderr(f"The machine is busy (load {busy:.1f}, cores {cores}). This slows threads that wait for each "
                    "other most, so even the ratios will be wrong.")
    return result


@contextlib.contextmanager
def _measuring(arguments: argparse.Namespace, result: dict, text: Callable) -> Iterator[Any]:
    """Context manager: a Progress. At the end it prints the result; after Ctrl-C, the runs measured so far."""
    from ...progress import on_stderr
    try:
        with on_stderr(f"bench {result['benchmark']}", arguments.quiet) as progress:
            yield progress
    except KeyboardInterrupt:
        if result["runs"]:
            print_result(arguments, result, lambda: text(result))
        raise
    print_result(arguments, result, lambda: text(result))


@plain_style
def _draw(result, arguments):
    from ... import viz
    save_picture(viz.speed_and_error([result]), arguments.chart, arguments)


def _finish(arguments, result):
    """Draw the chart. Return FAILED if a result is wrong or minicnn failed, else OK."""
    if getattr(arguments, "chart", None):
        _draw(result, arguments)
    rows = [row for run in result["runs"] for row in run.get("rows", ()) if "status" in row]
    bad = any(row["status"] == "wrong" or row["status"] == "failed" and row["library"] == "minicnn" for row in rows)
    return FAILED if bad else OK
