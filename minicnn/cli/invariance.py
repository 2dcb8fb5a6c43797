"""`minicnn invariance` on the command line."""

from __future__ import annotations

import json

from ..errors import InputError


def add_parser(commands, formatter):
    """Add `invariance` to the commands."""
    command = commands.add_parser(
        "invariance", help="train networks on digits in the middle and ask them about moved ones",
        description="Train an MLP, a LeNet and a LeNet with global pooling on digits in the middle and ask them about "
                    "moved ones; and compare how far pools are invariant. About two minutes on two cores.",
        epilog="example: minicnn invariance --models lenet,lenet-blur --picture invariance.png",
        formatter_class=formatter, allow_abbrev=False)
    command.set_defaults(run=invariance)
    option = command.add_argument
    option("--models", default="mlp,lenet,lenet-global", metavar="NAMES", help="with commas: lenet, lenet-average, "
                                                                               "lenet-blur, lenet-global, mlp")
    option("--epochs", type=int, default=8, metavar="N", help="of training on the embedded digits")
    option("--seeds", default="1", metavar="N,N", help="each trains every network once; results are their means")
    option("--images", type=int, default=300, metavar="N", help="digits that are moved")
    option("--pools-only", action="store_true", help="train nothing, compare the pools")
    option("--picture", metavar="FILE", help="draw accuracy over the distance (png, pdf or svg)")
    option("--quiet", action="store_true", help="no progress on stderr")
    option("--json", action="store_true", help="print the result as one line of JSON")


def invariance(arguments):
    """minicnn invariance."""
    from ..data import load
    from ..invariance.maps import parameter_argument
    from ..invariance.networks import compare_models, comparison_table
    from ..invariance.pooling import compare_pools
    from ..progress import Part, on_stderr
    from .output import print_table
    if arguments.epochs < 1:
        raise InputError(f"--epochs must be at least 1, not {arguments.epochs}")
    if not all(seed.strip().isdecimal() for seed in arguments.seeds.split(",")):
        raise InputError(f"--seeds must be integers with commas between them, as in 1,2,3, not {arguments.seeds!r}")
    most = len(load("mnist5k").val_images)
    if not 1 <= arguments.images <= most:
        raise InputError(f"--images must be 1 to {most}, the digits that there are, not {arguments.images}")
    if arguments.pools_only and arguments.picture:
        raise InputError("--picture draws the networks, and --pools-only trains none: leave out one of them")
    if arguments.picture:
        from ..files import check_destination
        from ..viz.figure import FORMATS
        check_destination(arguments.picture, FORMATS)
    data, results = load("mnist5k"), []
    with on_stderr("invariance", arguments.quiet) as progress:
        if not arguments.pools_only:
            names = [name.strip() for name in arguments.models.split(",")]
            seeds = [int(seed) for seed in arguments.seeds.split(",")]
            results = compare_models(names, data, epochs=arguments.epochs, seeds=seeds, images=arguments.images,
                                     progress=Part(progress, 0, 0.95))
        pools = compare_pools(data.val_images[:32], progress=Part(progress, 0.95 if results else 0, 1))
    if arguments.picture:
        _draw(results, arguments.picture)
    if arguments.json:
        print(json.dumps({"models": [result.as_dict() for result in results], "pools": [vars(pool) for pool in pools]}))
        return 0
    print(parameter_argument())
    if results:
        print(f"\nAccuracy in % by distance max(|dy|, |dx|) of {results[0].shifts}, and P[one class at two places]:")
        print_table(*(lambda header, rows: (header[0], header[1:], rows))(*comparison_table(results)))
    for of in dict.fromkeys(pool.of for pool in pools):
        print(f"\nRelative change of the pooled map, {of}:")
        print_table("pool", ["even shifts", "odd shifts"],
                    [[pool.pool, f"{pool.even:.3f}", f"{pool.odd:.3f}"] for pool in pools if pool.of == of])
    return 0


def _draw(results, path):
    from .. import viz
    figure, ax = viz.new_figure(8, 4.5)
    viz.model_comparison(results, ax)
    viz.save(figure, path)
