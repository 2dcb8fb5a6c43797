"""`fit` on three ranks stops when one of them gets SIGINT, and goes on with two; the weights are those of one rank.

Data, buffers, the average of the weights and the schedule that follows the validation loss are those of all ranks.
The argument is an empty directory.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from minicnn import checkpoint, nn
from minicnn.checkpoint import load
from minicnn.data import Dataset
from minicnn.progress import Progress, ranks
from minicnn.training import LAST, Interrupted, Settings, fit

WORLD, OUT = MPI.COMM_WORLD, Path(sys.argv[1])
SETTINGS = Settings(epochs=3, batch_size=16, max_shift=1, augment=("rotate",), optimizer="sgd", lr=0.05, clip=1.0,
                    schedule="plateau", ema=0.9)


def data():
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (71, 10, 10)).astype(np.uint8), rng.integers(0, 4, 71)
    return Dataset("noise", "this test", images[:61], labels[:61], images[61:], labels[61:])


def network():
    rng = np.random.default_rng(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, algorithm="im2col", rng=rng), nn.Tanh(), nn.Flatten(),
                         nn.Dropout(0.2, rng=rng), nn.Linear(256, 4, rng=rng))


class Stop(Progress):
    """Sends SIGINT to this process after some steps."""

    def update(self, done, total, text=""):
        if done == 6:
            os.kill(os.getpid(), signal.SIGINT)


def save_slowly(*arguments, save=checkpoint.save):
    """Save as ever, in the middle of an epoch for longer than a rank waits for the exceptions of the others."""
    time.sleep(1.5 if arguments[3]["batch"] else 0)
    save(*arguments)


def interrupted(comm):
    try:
        fit(network(), data(), SETTINGS, out=OUT, comm=comm, progress=Stop())      # rank 0 alone shows progress
    except Interrupted as stop:
        return str(stop)
    return "not interrupted"


alone = network()
expected = fit(alone, data(), SETTINGS, comm=MPI.COMM_SELF)
checkpoint.save, ranks.FAREWELL = save_slowly, 1.0
reasons = WORLD.allgather(interrupted(WORLD))
assert len(set(reasons)) == 1 and reasons[0].startswith("stopped in epoch 2, after "), reasons
assert sorted(path.name for path in OUT.iterdir()) == ["best.safetensors", "history.jsonl", "last.safetensors"]
WORLD.Barrier()

two = WORLD.Split(int(WORLD.rank == 2))
if WORLD.rank < 2:
    model = network()
    history = fit(model, data(), SETTINGS, out=OUT, resume=load(OUT / LAST), comm=two)
    for name, array in alone.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], array, rtol=0, atol=1e-5 * np.abs(array).max())
    for record, other in zip(history, expected, strict=True):
        assert abs(record["val_loss"] - other["val_loss"]) < 1e-5 and record["val_error"] == other["val_error"]
        assert abs(record["train_loss"] - other["train_loss"]) < 1e-5 and record["lr"] == other["lr"]
        assert record["train_error"] == other["train_error"]
