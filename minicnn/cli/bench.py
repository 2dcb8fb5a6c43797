"""`minicnn bench train` and `minicnn bench conv`: their options, and what they do."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from ..bench import libraries, machine
from ..errors import InputError

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
           f"{', '.join(libraries.PEERS)}; all, installed or none")
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
    from ..bench.round_robin import Clock, part
    from .bench_tables import print_training
    threads = _checked(arguments)
    names, others = libraries.parse_algorithms(arguments.algorithms), libraries.parse_against(arguments.against)
    tasks = [bench.Task(not arguments.forward, size, count) for count in threads for size in arguments.batch_size]
    if arguments.profile:
        return _profile(arguments, tasks, names[0])
    result = _result("train")
    runs = result["runs"]
    with _shown_if_interrupted(arguments, result, print_training), Clock("bench train") as clock:
        for i, task in enumerate(tasks):
            tell = part(clock.tell, i / len(tasks), (i + 1) / len(tasks), f"batch {task.batch_size}, ")
            runs.append(bench.run(task, [*map(libraries.with_algorithm, names), *others], arguments.repeats, tell))
    return _finish(arguments, result, print_training)


def conv(arguments):
    """minicnn bench conv."""
    from ..bench import layers
    from ..bench.network_layers import parse_network
    from ..bench.round_robin import Clock, part
    from .bench_tables import print_found, print_layers
    threads, cases = _checked(arguments), parse_network(arguments.network)
    names = ["all"] if arguments.algorithms == "all" else libraries.parse_algorithms(arguments.algorithms)
    others = [] if arguments.find else libraries.parse_against(arguments.against, layers=True)
    work = [(size, case) for size in arguments.batch_size for case in cases]
    result, show = _result("find" if arguments.find else "conv"), print_found if arguments.find else print_layers
    runs, total = result["runs"], len(work) * len(threads)
    with _shown_if_interrupted(arguments, result, show), Clock("bench conv") as clock:
        for count in threads:
            with layers.Crew(count) as crew:
                for size, case in work:
                    tell = part(clock.tell, len(runs) / total, (len(runs) + 1) / total, f"{case}, batch {size}, ")
                    runs.append(layers.find(case, size, crew, names, arguments.repeats, tell) if arguments.find else
                                layers.run(case, size, crew, names, others, arguments.repeats, tell))
    return _finish(arguments, result, show)


def _profile(arguments, tasks, algorithm):
    from ..bench.worker_process import Worker
    from .bench_tables import print_profile
    result = _result("profile")
    for task in tasks:
        with Worker(libraries.with_algorithm(algorithm), task.threads) as worker:
            found = worker.ask("profile", algorithm=algorithm, batch_size=task.batch_size, repeats=arguments.repeats)
        result["runs"].append({"title": str(task), "batch_size": task.batch_size, "threads": task.threads,
                               "algorithm": algorithm, "repeats": arguments.repeats, **found})
    return _finish(arguments, result, print_profile)


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
    busy, cores = result["load_before"] or 0, result["cores"]
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
