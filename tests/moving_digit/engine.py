"""The engine's maps of one canvas alone. For the page, the engine computes them in another batch."""

import numpy as np

from minicnn import Tensor
from minicnn import functional as F
from minicnn.autograd import no_grad
from minicnn.data import normalize
from minicnn.data.placement import place

SIZES = {"conv1": 34, "conv2": 30, "conv3": 26, "conv4": 22}


def canvas(image, dy, dx):
    return normalize(place(image[None], 38, (dy, dx)))


def maps_of(model, image, dy, dx):
    """{layer: (C, n, n)}: convolution by convolution, then the pool."""
    return maps_of_canvas(model, canvas(image, dy, dx))


def maps_of_canvas(model, pixels):
    """The same of the normalised pixels of a canvas, (1, C, H, W)."""
    x, found = Tensor(pixels), {}
    with no_grad():
        for name in SIZES:
            x = F.relu(getattr(model, name)(x))
            found[name] = x.data[0]
        found["pool"] = model.pool(x).data[0]
    return found


def window_logits(model, image, dy, dx):
    with no_grad():
        return model(Tensor(np.ascontiguousarray(canvas(image, dy, dx)[:, :, 5:33, 5:33]))).data[0]
