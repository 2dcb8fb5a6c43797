"""Operations on Tensors. Each operation is one function, with its forward pass and its vjp side by side.

Names, argument order and defaults are PyTorch's. Every operation takes Tensors or arrays. Images have shape
(N, C, H, W); conv2d and the pools also take a single image (C, H, W). A vjp captures arrays, never Tensors.
"""

from .activations import leaky_relu, log_softmax, logsigmoid, relu, sigmoid, tanh
from .blur_pooling import blur_pool2d
from .convolution import conv2d
from .linear import dropout, flatten, linear
from .losses import cross_entropy, mse_loss
from .normalization import batch_norm
from .pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "batch_norm", "blur_pool2d", "conv2d", "cross_entropy",
    "dropout", "flatten", "leaky_relu", "linear", "log_softmax", "logsigmoid", "max_pool2d", "mse_loss", "relu",
    "sigmoid", "tanh",
]
