"""One training step of the LeNet: minicnn, algorithm by algorithm, in turn with a textbook NumPy im2col.

    python benchmarks/train_step.py [--batch-size 64] [--repeats 15] [--json]

All start from the same weights and are first checked to compute the same. In each repetition every competitor takes
one step, so a busy machine slows all of them alike; the ratios of the medians are what counts, not the seconds.
"""

import argparse
import json
import platform
import time

import numpy as np
from textbook import LeNet as Textbook

from minicnn import Tensor
from minicnn import functional as F
from minicnn.conv import algorithms
from minicnn.conv.threads import get_num_threads
from minicnn.models import LeNet
from minicnn.optim import SGD

LR = 0.01


def minicnn_step(state, algorithm):
    """A function (images, labels) -> loss that takes a step of gradient descent, and the model it moves."""
    model = LeNet(algorithm=algorithm)
    model.load_state_dict(state)
    optimizer = SGD(model.parameters(), LR)

    def step(images, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(images)), labels)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step, model


def measure(batch_size, repeats):
    """{name: seconds of each repetition}, after a check that all compute the same."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch_size, 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, batch_size)
    state = LeNet(rng=rng).state_dict()
    textbook = Textbook(state)
    steps, models = {"textbook NumPy im2col": lambda x, y: textbook.step(x, y, LR)}, {}
    for name in algorithms():
        if name != "naive":                       # seven Python loops: a step would take an hour
            steps[name], models[name] = minicnn_step(state, name)
    losses = {name: [step(images, labels) for _ in range(2)] for name, step in steps.items()}
    for name, model in models.items():
        np.testing.assert_allclose(losses[name], losses["textbook NumPy im2col"], rtol=1e-5)
        np.testing.assert_allclose(model.conv2.weight.data, textbook.convs[1].weight, rtol=1e-3, atol=1e-6)
    seconds = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step(images, labels)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds = measure(arguments.batch_size, arguments.repeats)
    reference = np.median(seconds["textbook NumPy im2col"])
    rows = [{"name": name, "min_ms": min(t) * 1e3, "median_ms": np.median(t) * 1e3,
             "quartiles_ms": (np.percentile(t, [25, 75]) * 1e3).tolist(), "times_faster": reference / np.median(t)}
            for name, t in seconds.items()]
    if arguments.json:
        print(json.dumps({"batch_size": arguments.batch_size, "threads": get_num_threads(), "numpy": np.__version__,
                          "machine": platform.machine(), "rows": rows}))
        return
    print(f"LeNet training step, batch {arguments.batch_size}, {get_num_threads()} threads, {arguments.repeats} "
          "repetitions in turn")
    for row in rows:
        print(f"{row['name']:24} median {row['median_ms']:7.1f} ms, min {row['min_ms']:7.1f} ms, "
              f"{row['times_faster']:5.2f} times the textbook's speed")


if __name__ == "__main__":
    main()
