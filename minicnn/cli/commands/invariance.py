"""`minicnn invariance`: measure how far trained networks and pools are invariant to shifts."""

from __future__ import annotations

import argparse
from typing import Any

from ..options import add_command, add_drawing, add_json, add_quiet, commas, names, to_integer
from ..output import Column, plain_style, print_result, print_table, print_text, save_picture
from ..ranks import begin, share, world

MOST_IMAGES = 1000                      # the number of embedded validation digits
POOLS = Column("pool", left=True, least=10), Column("even shifts"), Column("odd shifts")

EXAMPLE = """minicnn invariance --models lenet,lenet-blur --picture invariance.png

example: mpiexec -n 4 minicnn invariance --models lenet,lenet-blur --seeds 1,2,3

Four processes, on one or several computers, share the networks and seeds. pip install mpi4py mpich brings mpiexec."""


def add_parser(commands: Any) -> None:
    """Add `invariance` to the commands."""
    from ...models import MODELS
    command = add_command(
        commands, "invariance", run, "train networks on centred digits and test them on moved digits",
        "Train an MLP, a LeNet and a LeNet with global pooling on centred digits, and test them on moved digits. Also "
        "compare how far pools are invariant to shifts. The defaults take some minutes on two cores; --pools-only "
        "takes seconds.", EXAMPLE)
    option = command.add_argument
    option("--models", type=names(tuple(MODELS), "mlp,lenet"), default="mlp,lenet,lenet-global", metavar="NAMES",
           help=f"networks, with commas: {', '.join(MODELS)}")
    option("--epochs", type=to_integer(1), default=8, metavar="N", help="passes over the embedded digits in training")
    option("--seeds", type=commas(to_integer(0), "1,2,3", repeats=False), default="1", metavar="N,N",
           help="seeds, with commas; each network is trained once for each seed, and the results are means")
    option("--images", type=to_integer(1, MOST_IMAGES), default=300, metavar="N",
           help=f"number of digits that are moved, at most {MOST_IMAGES}")
    option("--pools-only", action="store_true", help="train nothing, compare the pools")
    add_drawing(command, "draw accuracy over the distance; with --pools-only the changes of the pools")
    command.refuse("models", "epochs", "seeds", "images", when="pools_only", because="no network is trained")
    add_quiet(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> None:
    """minicnn invariance."""
    from ...data import load
    from ...invariance.networks import compare_models
    from ...invariance.pooling import compare_pools
    from ...progress import Part, on_stderr
    from ...progress.ranks import together
    comm, results = world(arguments.prog), []
    with together(comm), on_stderr("invariance", arguments.quiet) as progress:
        begin(comm, False, arguments.quiet)
        data = load("mnist5k")
        if not arguments.pools_only:
            results = compare_models(arguments.models, data, epochs=arguments.epochs, seeds=arguments.seeds,
                                     images=arguments.images, progress=Part(progress, 0.0, 0.98),
                                     share=share(comm, arguments.quiet))
        if comm is not None and comm.Get_rank() != 0:
            return
        pools = compare_pools(data.val_images[:32], progress=Part(progress, 0.98 if results else 0.0, 1.0))
    found = {"models": [result.as_dict() for result in results], "pools": [vars(pool) for pool in pools]}
    print_result(arguments, found, lambda: _print(results, pools))
    if arguments.picture:
        _draw(results, pools, arguments)


def _print(results, pools):
    from ...invariance.maps import parameter_argument
    from ...invariance.networks import comparison_table
    print_text(parameter_argument())
    if results:
        print_text(f"\nAccuracy in % by distance max(|dy|, |dx|) of {results[0].shifts}. consistency: the "
                   "probability in % that two places get the same class.\n")
        header, rows = comparison_table(results)
        last = len(header) - 2                          # the largest distance
        ranks = [0, len(header), 0, *range(3, last), 0, 1]
        print_table([Column(title, rank, left=i == 0, least=12 * (i == 0))
                     for i, (title, rank) in enumerate(zip(header, ranks, strict=True))], rows)
    for of in dict.fromkeys(pool.of for pool in pools):
        print_text(f"\nRelative change of the pooled map, {of}:\n")
        print_table(POOLS, [[pool.pool, f"{pool.even:.3f}", f"{pool.odd:.3f}"] for pool in pools if pool.of == of])


@plain_style
def _draw(results, pools, arguments):
    from ... import viz
    if results:
        figure, ax = viz.new_figure(8, 4.5)
        viz.model_comparison(results, ax)
    else:
        figure = viz.pool_changes(pools)
    save_picture(figure, arguments.picture, arguments)
