"""`minicnn bench train` and `minicnn bench conv`: their options, and what they do."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from pathlib import Path

from ..bench import libraries, machine
from ..errors import InputError
from ..progress import on_stderr

TRAIN = """Time a training step of the LeNet, or with --forward a pass without gradients: minicnn and other libraries,
each in a process of its own, in turn, after a check that they compute the same."""
CONV = """Time single layers of well-known networks, forward and both gradients, by each algorithm and by PyTorch, in
turn, and measure the error of their results against float64."""


def add_parser(commands, formatter):
    """Hook `bench` into the sub-commands of `minicnn`."""
    def add(group, name, help, description, example):
        return group.add_parser(name, help=help, description=description, epilog=f"example: {example}",
                                formatter_class=formatter, allow_abbrev=False)
    bench = add(commands, "bench", "measure speed and error beside other libraries",
                "Measure speed and error beside other libraries.", "minicnn bench train --against installed")
    kinds = bench.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    command = add(kinds, "train", "a training step of the LeNet", TRAIN,
                  "minicnn bench train --against torch --batch-size 64 256 --chart speed.png")
    command.set_defaults(run=train)
    _train_options(command.add_argument)
    command = add(kinds, "conv", "single convolution layers", CONV,
                  "minicnn bench conv --network lenet,vgg --batch-size 1 64 --against none")
    command.set_defaults(run=conv)
    _conv_options(command.add_argument)


def _train_options(option):
    option("--against", default="textbook", metavar="NAMES", help="libraries to compare with, with commas: "
           f"{', '.join(libraries.others())}; all, installed or none")
    option("--algorithms", default="auto", metavar="NAMES", help="minicnn's convolution algorithms, with commas; the "
           "first is what the others are compared with")
    option("--forward", action="store_true", help="logits without gradients instead of a training step")
    option("--profile", action="store_true", help="instead, show where the time of minicnn's step goes")
    option("--batch-size", type=int, nargs="+", default=[64], metavar="N", help="images a step; several measure each")
    option("--repeats", type=int, default=15, metavar="N", help="rounds, in each of which everybody takes some steps")
    _common_options(option)


def _conv_options(option):
    option("--network", default="all", metavar="NAMES", help="whose layers, with commas: lenet, alexnet, vgg, "
                                                             "resnet18, mobilenet; all")
    option("--against", default="installed", metavar="NAMES", help="torch, installed or none")
    option("--algorithms", default="all", metavar="NAMES", help="with commas; all: auto, and those that it chooses "
                                                                "among")
    option("--find", action="store_true", help="instead, print what minicnn.conv.find measures and would choose")
    option("--batch-size", type=int, nargs="+", default=[16], metavar="N", help="images; several measure each")
    option("--repeats", type=int, default=5, metavar="N", help="rounds at most; large layers get fewer")
    _common_options(option)


def _common_options(option):
    option("--threads", type=int, nargs="+", metavar="N", help="threads, and cores, of each competitor; several "
                                                               "measure each; all cores where not given")
    option("--chart", metavar="FILE", help="draw speed beside error (png, pdf or svg)")
    option("--json", action="store_true", help="print the result as one line of JSON")


def train(arguments):
    """minicnn bench train."""
    from ..bench import train as bench
    from ..bench.round_robin import parts
    from .bench_tables import print_training
    threads = _checked(arguments)
    ours, others = _algorithms(arguments.algorithms), _against(arguments.against)
    tasks = [bench.Task(not arguments.forward, size, count) for count in threads for size in arguments.batch_size]
    if arguments.profile:
        return _profile(arguments, tasks, ours[0].variant)
    result = _result("train")
    runs = result["runs"]
    with _shown_if_interrupted(arguments, result, print_training), on_stderr("bench train") as progress:
        times, titles = [task.relative_time for task in tasks], [f"batch {task.batch_size}" for task in tasks]
        for task, part in zip(tasks, parts(progress, times, titles), strict=True):
            runs.append(bench.run(task, [*ours, *others], arguments.repeats, part))
    return _finish(arguments, result, print_training)


def conv(arguments):
    """minicnn bench conv."""
    from ..bench import layers
    from ..bench.network_layers import NETWORKS, layers_of
    from ..bench.round_robin import parts
    from .bench_tables import print_found, print_layers
    networks = arguments.network.split(",")
    threads, named = _checked(arguments), layers_of(NETWORKS if networks == ["all"] else map(str.strip, networks))
    names = ["all"] if arguments.algorithms == "all" else [c.variant for c in _algorithms(arguments.algorithms)]
    others = [] if arguments.find else _against(arguments.against, layers=True)
    work = [(size, layer) for size in arguments.batch_size for layer in named] * len(threads)
    result, show = _result("find" if arguments.find else "conv"), print_found if arguments.find else print_layers
    runs = result["runs"]
    with _shown_if_interrupted(arguments, result, show), on_stderr("bench conv") as progress:
        steps = zip(work, parts(progress, [layers.relative_time(layer, size) for size, layer in work],
                                [f"{layer}, batch {size}" for size, layer in work]), strict=True)
        for count in threads:
            with layers.Crew(count) as crew:
                for (size, layer), part in itertools.islice(steps, len(work) // len(threads)):
                    runs.append(layers.find(layer, size, crew, names, arguments.repeats, part) if arguments.find else
                                layers.run(layer, size, crew, names, others, arguments.repeats, part))
    return _finish(arguments, result, show)


def _profile(arguments, tasks, algorithm):
    from ..bench import profile
    from ..bench.round_robin import parts
    from .bench_tables import print_profile
    result = _result("profile")
    with on_stderr("bench train --profile") as progress:
        times, titles = [task.relative_time for task in tasks], [f"batch {task.batch_size}" for task in tasks]
        for task, part in zip(tasks, parts(progress, times, titles), strict=True):
            found = profile.run(algorithm, task.batch_size, task.threads, arguments.repeats, part)
            result["runs"].append({"title": str(task), "batch_size": task.batch_size, "threads": task.threads,
                                   "algorithm": algorithm, "repeats": arguments.repeats, **found})
    return _finish(arguments, result, print_profile)


def _algorithms(text):
    """minicnn with each of the algorithms in "auto,direct"."""
    return [libraries.with_algorithm(name) for name in dict.fromkeys(map(str.strip, text.split(",")))]


def _against(text, layers=False):
    """The competitors that "torch,jax", "all", "installed" or "none" names."""
    known = libraries.others(layers)
    groups = {"none": [], "all": known, "installed": [name for name, library in known.items() if library.installed]}
    return libraries.competitors(groups.get(text) if text in groups else map(str.strip, text.split(",")), layers)


def _checked(arguments):
    """The numbers of threads; options that make no sense are a ValueError before anything is measured."""
    from ..conv.runtime.threads import get_num_threads
    for name in ("batch_size", "repeats", "threads"):
        values = getattr(arguments, name)
        for value in values if isinstance(values, list) else [values]:
            if value is not None and value < 1:
                raise InputError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    most = len(machine.cores())
    for count in arguments.threads or ():
        if count > most:
            raise InputError(f"--threads {count}: this process may use {most} core{'s' * (most != 1)}, and each thread "
                             "is to have one")
    instead = next((name for name in ("profile", "find") if getattr(arguments, name, False)), None)
    if instead and arguments.chart:
        raise InputError(f"--{instead} has no chart: leave out one of the two")
    if instead == "profile" and arguments.forward:
        raise InputError("--profile is of a training step: leave out --forward")
    if arguments.chart:
        from ..viz.figure import FORMATS
        if Path(arguments.chart).suffix.lower() not in FORMATS or not Path(arguments.chart).parent.is_dir():
            raise InputError(f"--chart {arguments.chart}: its directory must exist and its name end in "
                             f"{', '.join(FORMATS)}")
    return arguments.threads or [min(get_num_threads(), most)]


def _result(benchmark):
    """The result without its runs; a busy machine is announced, for it is not fair to all."""
    result = {"benchmark": benchmark, **machine.describe(), "runs": []}
    busy, cores = result["load_before"], result["cores"]
    if busy > cores / 2:
        print(f"the machine is busy (load {busy:.1f}, cores {cores}): threads that wait for each other lose most by "
              "that, so even the ratios will be off", file=sys.stderr)
    return result


@contextlib.contextmanager
def _shown_if_interrupted(arguments, result, show):
    """Ctrl-C does not lose what was measured before it."""
    try:
        yield
    except KeyboardInterrupt:
        if result["runs"]:
            _show(arguments, result, show)
        raise


def _show(arguments, result, show):
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)


def _finish(arguments, result, show):
    """Print the result, draw the chart; 1 if somebody computed something wrong, or minicnn failed."""
    _show(arguments, result, show)
    if arguments.chart:
        from ..viz import save
        from ..viz.speed import speed_and_error
        save(speed_and_error([result]), arguments.chart)
    rows = [row for run in result["runs"] for row in run.get("rows", ()) if "status" in row]
    bad = [row for row in rows if row["status"] == "wrong" or row["status"] == "failed" and row["library"] == "minicnn"]
    return 1 if bad else 0
