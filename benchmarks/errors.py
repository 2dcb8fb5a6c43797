"""Measure the rounding errors of every algorithm in float32 on the LeNet's layers: benchmarks/errors.json.

    python benchmarks/errors.py

It takes about a minute. The operands are random: once of both signs, once all positive.
"""

import json
import math
from datetime import date
from pathlib import Path

from minicnn import __version__
from minicnn.bench import machine
from minicnn.bench.network_layers import layers_of
from minicnn.bench.reference import errors, operands
from minicnn.conv import algorithms
from minicnn.files import write_atomically

HERE = Path(__file__).parent
BATCH = 4
RESULTS = ("forward", "grad_input", "grad_weight")


def worst_errors(algorithm, positive):
    """{result: the worst error over the layers, in the norm of the algorithm's bound}, and the number of outputs."""
    worst, outputs = dict.fromkeys(RESULTS, 0.0), 0
    for layer in layers_of(["lenet"]):
        geometry = layer.geometry(BATCH)
        x, weight, grad = (abs(array) if positive else array for array in operands(geometry, 0))
        out, saved = algorithm.forward(x, weight, None, geometry)
        gradients = algorithm.backward(grad, saved, (True, True, False))[:2]
        found = errors(geometry, x, weight, grad, out, *gradients)
        worst = {one: max(worst[one], getattr(found[one], algorithm.error_norm)) for one in RESULTS}
        outputs += math.prod(geometry.out_shape)
    return worst, outputs


def main():
    rows = []
    for name, algorithm in algorithms().items():
        if name == "naive":                       # plain Python: it would take hours
            continue
        signed, outputs = worst_errors(algorithm, positive=False)
        positive, _ = worst_errors(algorithm, positive=True)
        rows.append({"algorithm": name, "norm": algorithm.error_norm, "both signs": signed, "all positive": positive})
        print(rows[-1])
    result = {"cpu": machine.processor(), "date": date.today().isoformat(), "minicnn": __version__, "outputs": outputs,
              "rows": rows}
    write_atomically(HERE / "errors.json", (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
