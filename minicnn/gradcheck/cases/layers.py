"""Activations, linear layers, dropout and normalization."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import functional as F
from ...tensor import Tensor
from .operation import LINEAR, SMOOTH


def activations(rng: np.random.Generator) -> Iterator[tuple]:
    a = (3, 4)
    yield "exp", "", Tensor.exp, (a,), SMOOTH
    yield "log", "", lambda x: (x * x).log(), (a,), SMOOTH
    yield "tanh", "", F.tanh, (a,), SMOOTH
    yield "sigmoid", "", F.sigmoid, (a,), SMOOTH
    yield "logsigmoid", "", F.logsigmoid, (a,), SMOOTH
    yield "relu", "", F.relu, (a,), SMOOTH
    yield "leaky_relu", "", F.leaky_relu, (a,), SMOOTH
    yield "leaky_relu", "negative_slope=0.3", lambda x: F.leaky_relu(x, 0.3), (a,), SMOOTH
    yield "prelu", "", F.prelu, (a, (1,)), SMOOTH
    yield "prelu", "a slope for each channel", F.prelu, ((3, 4, 2), (4,)), SMOOTH
    yield "hardtanh", "", lambda x: F.hardtanh(x, -0.4, 0.7), (a,), SMOOTH
    yield "relu6", "", lambda x: F.relu6(x * 8), (a,), SMOOTH
    yield "elu", "", F.elu, (a,), SMOOTH
    yield "elu", "alpha=0.3", lambda x: F.elu(x, 0.3), (a,), SMOOTH
    yield "silu", "", F.silu, (a,), SMOOTH
    yield "gelu", "", F.gelu, (a,), SMOOTH
    yield "gelu", "tanh", lambda x: F.gelu(x, "tanh"), (a,), SMOOTH
    yield "softplus", "", F.softplus, (a,), SMOOTH
    yield "softplus", "beta=3, threshold=1", lambda x: F.softplus(x, 3, 1), (a,), SMOOTH
    yield "softmax", "", F.softmax, (a,), SMOOTH
    yield "softmax", "dim=0", lambda x: F.softmax(x, 0), (a,), SMOOTH


def layers(rng: np.random.Generator) -> Iterator[tuple]:
    yield "linear", "", F.linear, ((3, 4), (2, 4), (2,)), LINEAR
    yield "linear", "no bias, more axes", F.linear, ((2, 2, 3), (4, 3)), LINEAR
    yield "flatten", "start_dim=1", lambda x: F.flatten(x, 1), ((2, 3, 2, 2),), LINEAR
    seed = int(rng.integers(1 << 30))
    yield "dropout", "", lambda x: F.dropout(x, 0.4, rng=np.random.default_rng(seed)), ((3, 4),), LINEAR
    yield "dropout", "training=False", lambda x: F.dropout(x, 0.4, False), ((3, 4),), LINEAR
    mean, var = rng.standard_normal(2), rng.uniform(0.5, 2, 2)
    shapes = (3, 2, 2, 2), (2,), (2,)
    yield "batch_norm", "training", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), shapes, SMOOTH
    yield "batch_norm", "training, no weight", lambda x: F.batch_norm(x, None, None, training=True), ((5, 2),), SMOOTH
    yield "batch_norm", "evaluation", lambda x, w, b: F.batch_norm(x, mean, var, w, b), shapes, LINEAR
    yield "layer_norm", "", lambda x, w, b: F.layer_norm(x, (2, 3), w, b), ((2, 2, 3), (2, 3), (2, 3)), SMOOTH
    yield "layer_norm", "no weight", lambda x: F.layer_norm(x, 4), ((2, 4),), SMOOTH
    yield "group_norm", "", lambda x, w, b: F.group_norm(x, 2, w, b), ((2, 4, 3), (4,), (4,)), SMOOTH
    yield "group_norm", "one group", lambda x: F.group_norm(x, 1), ((2, 2, 2),), SMOOTH
    yield "instance_norm", "", lambda x, w, b: F.instance_norm(x, None, None, w, b), shapes, SMOOTH
    yield ("instance_norm", "running statistics",
           lambda x, w, b: F.instance_norm(x, mean, var, w, b, use_input_stats=False), shapes, LINEAR)
