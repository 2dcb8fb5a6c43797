"""minicnn itself as a competitor; the variant is the convolution algorithm."""

from __future__ import annotations

from ... import Tensor, __version__, no_grad
from ... import functional as F
from ...conv import algorithms, choose
from ...conv.layout import to_batch_first
from ...conv.runtime.memory import empty
from ...conv.runtime.threads import set_num_threads
from ...models import LeNet
from ...optim import SGD
from .. import libraries


def load(threads):
    algorithms()                                  # imports numba
    set_num_threads(threads)
    return __version__


def lenet(variant, problem):
    model = LeNet(algorithm=variant)
    model.load_state_dict(problem.state)
    optimizer = SGD(model.parameters(), problem.lr)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(problem.images)), problem.labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def forward():
        with no_grad():
            return model(Tensor(problem.images)).data
    return libraries.LeNet(step, forward, model.state_dict)


def layer(variant, geometry, x, weight, grad):
    """The operands lie in memory as between two layers of a network: batch innermost."""
    algorithm = choose(variant, geometry)
    x, grad = _batch_last(x), _batch_last(grad)

    def backward(saved, needs):
        return algorithm.backward(grad, saved, (*needs, False))[:2]
    return libraries.Layer(lambda: algorithm.forward(x, weight, None, geometry), backward, lambda result: result)


def _batch_last(array):
    """The same array (N, C, H, W), in memory (C, H, W, N) from the start of a cache line."""
    n, *image = array.shape
    copy = empty((*image, n), array.dtype)
    copy[...] = array.transpose(1, 2, 3, 0)
    return to_batch_first(copy)
