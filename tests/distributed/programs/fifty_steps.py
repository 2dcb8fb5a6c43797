"""Fifty steps of a small network on the first n ranks, in float64 and float32, with dropout, changes of the images and
batches that n does not divide. Rank 0 writes the weights into a file. The arguments: the begin of its name, each n."""

import sys

import numpy as np
from mpi4py import MPI

from minicnn import Tensor, nn, optim
from minicnn import functional as F
from minicnn.data import DataLoader
from minicnn.distributed import DataParallel, share_cores

IMAGES, BATCH, STEPS = 83, 10, 50       # nine batches a pass, and the last one has 3 images


def network(dtype):
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, dtype=dtype, algorithm="im2col", rng=rng), nn.Tanh(), nn.MaxPool2d(2),
        nn.Dropout(0.25, rng=rng), nn.Flatten(), nn.Linear(100, 10, dtype=dtype, rng=rng))


def train(dtype, optimizer, comm):
    """The weights after the steps, and the loss of each step."""
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (IMAGES, 12, 12)).astype(np.uint8), rng.integers(0, 10, IMAGES)
    model, losses = network(dtype), []
    step = optimizer(model)
    parallel = DataParallel(model, comm, bucket_bytes=500)
    while len(losses) < STEPS:
        loader = DataLoader(images, labels, BATCH, shuffle=True, max_shift=2, augment=("rotate", "crop"),
                            rng=np.random.default_rng(len(losses)))
        for x, y in parallel.shards(loader):
            step.zero_grad()
            loss = F.cross_entropy(model(Tensor(x.astype(dtype))), y)
            parallel.extra = [loss.item() * len(y) if len(y) else 0.0]
            loss.backward()
            step.step()
            losses.append(parallel.extra[0] / parallel.images)
            if len(losses) == STEPS:
                break
    parallel.close()
    return {**model.state_dict(), "losses": np.array(losses)}


if __name__ == "__main__":
    share_cores(MPI.COMM_WORLD)
    for n in map(int, sys.argv[2:]):
        few = MPI.COMM_WORLD.Split(int(MPI.COMM_WORLD.rank >= n))     # the first n ranks, and the others
        found = {f"{dtype} {name}": array for dtype in ("float64", "float32")
                 for name, array in train(np.dtype(dtype), lambda model: optim.SGD(
                     model.parameters(), lr=0.05, momentum=0.9), few).items()}
        if MPI.COMM_WORLD.rank == 0:
            np.savez(f"{sys.argv[1]}{n}.npz", **found)
