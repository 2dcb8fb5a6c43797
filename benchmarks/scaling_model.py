"""How long a training step takes on N ranks: a model, fitted to what `scaling.py` measured. All of it is prediction.

A rank with n images computes for fixed + n * image seconds, of which the fraction `backward` is the backward pass. The
gradients of all ranks are added by the algorithm of Rabenseifner: a reduce-scatter and an allgather, each of log2 N
messages, that together send 2 (N - 1) / N of the bytes (Thakur, Rabenseifner & Gropp 2005, "Optimization of Collective
Communication Operations in MPICH", section 4.5; the time of the additions is left out):

    allreduce(bytes, N) = 2 ceil(log2 N) latency + 2 (N - 1) / N * bytes / bandwidth

Gradients of the last layers are complete first. Their messages go on while the backward pass goes on; the last bucket
cannot. So a step waits for the longer of the last bucket, and of all messages less the backward pass.

The model assumes: every rank computes as fast as one thread here; ranks wait for no slower one; each rank has a link of
its own, with the latency and bandwidth given; to send costs the processor nothing. Real clusters are slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

RANKS = tuple(2 ** k for k in range(11))                # 1 to 1,024


@dataclass(frozen=True)
class Link:
    """What connects two ranks: seconds of latency, bytes a second."""

    latency: float
    bandwidth: float

    def allreduce(self, size: float, ranks: int) -> float:
        """The predicted seconds to add `size` bytes of all ranks.

        >>> round(Link(1e-6, 1e9).allreduce(1e6, 4), 9)
        0.001504
        """
        if ranks == 1:
            return 0.0
        return 2 * math.ceil(math.log2(ranks)) * self.latency + 2 * (ranks - 1) / ranks * size / self.bandwidth


# Assumed, not measured: TCP over Ethernet, and RDMA.
NETWORKS = {"10 Gbit/s": Link(20e-6, 1.25e9), "100 Gbit/s": Link(2e-6, 12.5e9)}


@dataclass(frozen=True)
class Work:
    """A network on one rank: seconds of a step without images and for each image, and the bytes of the gradients.

    last : float
        The bytes of the bucket that is complete last.
    """

    fixed: float
    image: float
    backward: float
    size: float
    last: float

    def compute(self, images: float) -> float:
        """The seconds that a rank computes in a step with so many images."""
        return self.fixed + images * self.image

    def step(self, images: float, ranks: int, link: Link, overlap: bool = True) -> float:
        """The predicted seconds of a step, with `images` on each rank.

        >>> work, slow = Work(0.001, 0.001, 0.6, 1e6, 1e5), Link(0.0, 1e8)
        >>> round(work.step(9, 2, slow), 6), round(work.step(9, 2, slow, overlap=False), 6)
        (0.014, 0.02)
        """
        alone, whole = self.compute(images), link.allreduce(self.size, ranks)
        if not overlap:
            return alone + whole
        return alone + max(link.allreduce(self.last, ranks), whole - self.backward * alone)


def fit_link(seconds: dict[int, float]) -> Link:
    """The link between two ranks here, from {bytes: seconds of an Allreduce}: least squares of relative errors.

    >>> fit_link({size: 4e-6 + size / 2e9 for size in (8, 1024, 2 ** 20)})
    Link(latency=2e-06, bandwidth=2000000000.0)
    """
    sizes, times = np.array(list(seconds), np.float64), np.array(list(seconds.values()))
    columns = np.stack([np.full_like(sizes, 2), sizes], 1)          # 2 latency + size / bandwidth, for 2 ranks
    (latency, inverse), *_ = np.linalg.lstsq(columns / times[:, None], np.ones_like(times), rcond=None)
    return Link(float(f"{max(latency, 0):.3g}"), float(f"{1 / inverse:.3g}"))


def fit_work(seconds: dict[int, float], backward: float, gradients: list[int], bucket: int = 1 << 20) -> Work:
    """The work of a network on one rank, from {images: seconds of a step} and the bytes of each parameter's gradient.

    `gradients` are in the order in which they are complete; a bucket is full with `bucket` bytes, as in DataParallel.

    >>> fit_work({16: 0.018, 32: 0.034}, 0.6, [600_000, 600_000, 8])
    Work(fixed=0.002, image=0.001, backward=0.6, size=1200008, last=8)
    """
    image, fixed = np.polyfit(list(seconds), list(seconds.values()), 1)
    filled = last = 0
    for size in gradients:
        filled, last = (0 if filled >= bucket else filled), (0 if filled >= bucket else last)
        filled, last = filled + size, last + size
    return Work(round(max(float(fixed), 0.0), 9), round(float(image), 9), backward, sum(gradients), last)


def strong(work: Work, batch: int, link: Link) -> dict[int, float]:
    """{ranks: images a second} with one global batch, for as many ranks as it has images."""
    return {n: batch / work.step(batch / n, n, link) for n in RANKS if n <= batch}


def weak(work: Work, images: int, link: Link) -> dict[int, float]:
    """{ranks: efficiency} with so many images on each rank: the part of the speed of that many single ranks."""
    return {n: work.compute(images) / work.step(images, n, link) for n in RANKS}


def eaten(work: Work, batch: int, link: Link) -> int | None:
    """The first number of ranks that wait for messages longer than they compute, with one global batch; or None.

    >>> eaten(Work(0.0, 0.001, 0.6, 1e6, 1e5), 64, Link(1e-3, 1e9))
    16
    """
    for n in RANKS:
        if n <= batch and work.step(batch / n, n, link) > 2 * work.compute(batch / n):
            return n
    return None
