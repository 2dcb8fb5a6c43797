"""Data-parallel training: measured on 1 and 2 ranks of this computer, predicted for many computers.

    python benchmarks/scaling.py [--networks lenet vgg] [--rounds 5] [--steps 30]

All configurations take turns. The seconds of a step are the median over all steps of all rounds. From them follow the
tables and the picture: `scaling.json`, `scaling.md` and `scaling.png` in `scaling_results`. `scaling_model.py` is
the model behind the predictions. It needs mpi4py and mpich.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "scaling_results"
WARM = 3                                                    # steps that are not counted: kernels are loaded
SIZES = [2 ** k for k in range(3, 26, 2)]                   # bytes of the messages: 8 B to 32 MB
MESSAGES = 30                                               # of each size
BATCH = 64
ONE_MESSAGE = 1 << 40                                       # bytes of a bucket: all gradients, after the backward pass


@dataclass(frozen=True)
class Way:
    """How a network is trained: ranks, threads of each, images of all ranks together, and what is sent.

    send: "overlap", while the backward pass goes on; "after" it, in one message; "nothing".
    """

    ranks: int
    threads: int
    batch: int
    send: str = "nothing"


def ways(batch=BATCH):
    """The ways that are measured, by name."""
    one = {f"1 rank, 1 thread, batch {batch * part // 4}": Way(1, 1, batch * part // 4) for part in (1, 2, 4)}
    return {**one, f"1 rank, 2 threads, batch {batch}": Way(1, 2, batch),
            **{f"2 ranks, batch {batch}, {send}": Way(2, 1, batch, send) for send in ("overlap", "after", "nothing")},
            f"2 ranks, batch {2 * batch}, overlap": Way(2, 1, 2 * batch, "overlap")}


def network(name):
    """The LeNet, of 68,000 weights, or a network in the manner of VGG (Simonyan & Zisserman 2015), of 6.7 million."""
    from minicnn import nn
    from minicnn.models import lenet
    if name == "lenet":
        return lenet()
    convolutions = [layer for a, b, last in ((1, 64, False), (64, 64, True), (64, 128, False), (128, 128, True))
                    for layer in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), *[nn.MaxPool2d(2)] * last)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(128 * 7 * 7, 1024), nn.ReLU(), nn.Linear(1024, 10))


# ---- a rank

def train(name, way, steps):
    """Train on this rank, and print the seconds of the steps on rank 0."""
    import numpy as np
    from mpi4py import MPI

    from minicnn import Tensor, functional, optim
    from minicnn.distributed import DataParallel
    world, model = MPI.COMM_WORLD, network(name)
    parallel = DataParallel(model, None if way.send == "nothing" else world,
                            bucket_bytes=1 << 20 if way.send == "overlap" else ONE_MESSAGE)
    optimizer, rng = optim.AdamW(model.parameters(), lr=1e-4), np.random.default_rng(world.Get_rank())
    images = Tensor(rng.standard_normal((way.batch // way.ranks, 1, 28, 28), np.float32))
    labels, found = rng.integers(0, 10, way.batch // way.ranks), {"step": [], "backward": []}
    for step in range(WARM + steps):
        world.Barrier()
        begun = time.perf_counter()
        parallel.part(way.batch)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        forward = time.perf_counter()
        loss.backward()
        backward = time.perf_counter() - forward
        optimizer.step()
        seconds = time.perf_counter() - begun
        if step >= WARM:
            found["step"].append(max(world.allgather(seconds)))         # the step ends with the slowest rank
            found["backward"].append(backward)
    sizes = [p.data.nbytes for p in reversed(model.parameters())]       # in the order in which they are complete
    if world.Get_rank() == 0:
        print(json.dumps({**found, "gradients": sizes}))


def send_messages():
    """Print the seconds of an Allreduce between the ranks, for each size of the message."""
    import numpy as np
    from mpi4py import MPI
    world, found = MPI.COMM_WORLD, {}
    for size in SIZES:
        data, seconds = np.zeros(size // 4, np.float32), []
        for _ in range(MESSAGES):
            world.Barrier()
            begun = time.perf_counter()
            world.Allreduce(MPI.IN_PLACE, data)
            seconds.append(time.perf_counter() - begun)
        found[size] = median(seconds[3:])
    if world.Get_rank() == 0:
        print(json.dumps(found))


# ---- all of them, in turn

def launcher():
    """The mpiexec beside this Python, else that of the system."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    return found or sys.exit("scaling.py: there is no mpiexec: pip install mpi4py mpich brings one")


def run(ranks, threads, *arguments):
    """Run this script on several ranks. Return what rank 0 printed."""
    variables = {**os.environ, **dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
                                               str(threads))}
    command = [launcher(), "-n", str(ranks), sys.executable, __file__, *map(str, arguments)]
    process = subprocess.run(command, env=variables, capture_output=True, text=True)
    if process.returncode:
        sys.exit(f"scaling.py: {' '.join(command)} ended with status {process.returncode}:\n{process.stderr}")
    return json.loads(process.stdout)


def measure(networks, rounds, steps):
    """{"messages": {size: seconds}, network: {way: {"step": [...], ...}}}: every way in each round."""
    found = {"messages": run(2, 1, "--messages"), **{name: {} for name in networks}}
    work = [(name, way) for _ in range(rounds) for name in networks for way in ways()]
    begun = time.monotonic()
    for number, (name, way) in enumerate(work):
        left = f", about {(time.monotonic() - begun) / number * (len(work) - number):.0f} s left" if number else ""
        print(f"{number + 1} of {len(work)}: {name}, {way}{left}", file=sys.stderr, flush=True)
        one = ways()[way]
        result = run(one.ranks, one.threads, "--train", name, json.dumps(asdict(one)), "--steps", steps)
        whole = found[name].setdefault(way, {"step": [], "backward": [], "gradients": result["gradients"]})
        for key in ("step", "backward"):
            whole[key] += result[key]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=("lenet", "vgg"), default=["lenet", "vgg"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="of each way in each round")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results (default: scaling_results)")
    parser.add_argument("--again", action="store_true", help="do not measure: make page and picture of scaling.json")
    for name, count in (("--train", 2), ("--messages", 0)):
        parser.add_argument(name, help=argparse.SUPPRESS, **({"nargs": count} if count else {"action": "store_true"}))
    arguments = parser.parse_args()
    if arguments.train:
        return train(arguments.train[0], Way(**json.loads(arguments.train[1])), arguments.steps)
    if arguments.messages:
        return send_messages()
    import scaling_page

    from minicnn.bench.machine import facts
    stored = arguments.out / "scaling.json"
    if not arguments.again:
        words = "python benchmarks/scaling.py " + " ".join(sys.argv[1:])
        result = {"command": words.strip(), "machine": facts(),
                  **measure(arguments.networks, arguments.rounds, arguments.steps)}
        stored.write_text(json.dumps(result, indent=1) + "\n")
    scaling_page.write(json.loads(stored.read_text()), arguments.out)
    return None


if __name__ == "__main__":
    sys.exit(main())
