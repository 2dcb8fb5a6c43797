"""Code of files for `minicnn/bench/libraries`: libraries that the benchmarks do not know, some with faults."""

HONEST = """
from minicnn.bench.libraries import LayerCalls, NetworkCalls, Library, textbook

def start(threads):
    print("what a library prints is no answer")
    return "1.0"

def lenet(variant, inputs):
    return textbook.network(variant, inputs)

LIBRARY = Library(__name__, "numpy", "numpy", lambda threads: start(threads), lambda *arguments: lenet(*arguments),
                  lambda *arguments: layer(*arguments), {"one": "stranger"}, {"one": "stranger"})
"""

INCOMPLETE = HONEST + """
def start(threads):
    import no_such_module
"""

WRONG_GRADIENT = HONEST + """
def lenet(variant, inputs):
    inner = textbook.network(variant, inputs)
    still = inner.weights()["conv2.bias"].copy()
    return NetworkCalls(inner.step, inner.forward, lambda: {**inner.weights(), "conv2.bias": still})
"""

DEADLY = HONEST + """
import os, sys

def lenet(variant, inputs):
    inner, calls = textbook.network(variant, inputs), []
    def step():
        calls.append(1)
        if len(calls) == LAST:
            print("Segmentation fault, so to say", file=sys.stderr, flush=True)
            os._exit(11)
        return inner.step()
    return NetworkCalls(step, inner.forward, inner.weights)
"""

TELLS_THREADS = HONEST + """
def lenet(variant, inputs):
    from threadpoolctl import threadpool_info
    raise ValueError(sorted({pool["num_threads"] for pool in threadpool_info()}))
"""

FRAGILE_LAYERS = HONEST + """
import os
import numpy as np

def layer(variant, geometry, x, weight, grad):
    out = np.zeros(geometry.out_shape, np.float32)
    def forward():
        if geometry.in_channels == 1:
            raise MemoryError
        if geometry.in_channels == 20:
            os.kill(os.getpid(), 9)
        return (out if geometry.out_channels == 40 else out[:1]), None
    return LayerCalls(forward, lambda saved, needs: (x, weight), lambda array: array)
"""

HANGING_LAYERS = HONEST + """
import threading

def layer(variant, geometry, x, weight, grad):
    from minicnn.bench.libraries import minicnn
    calls, done = minicnn.layer("im2col", geometry, x, weight, grad), []
    def forward():
        done.append(1)
        if len(done) > 3:
            threading.Event().wait()
        return calls.forward()
    return LayerCalls(forward, calls.backward, calls.array)
"""
