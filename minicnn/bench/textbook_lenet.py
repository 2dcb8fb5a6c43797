"""The LeNet as in textbooks: NumPy, channels first, im2col, each backward pass written by hand, no autograd.

It computes the same as `minicnn.models.LeNet` and shares no code with it. In float64 it is the reference for every
competitor. In float32 it is a competitor itself.
"""

from __future__ import annotations

import numpy as np


def _im2col(x, k):
    """(N, C, H, W) -> (N OH OW, C k k), by a loop over the kernel and one transposition."""
    n, c, h, w = x.shape
    oh, ow = h - k + 1, w - k + 1
    columns = np.empty((n, c, k, k, oh, ow), x.dtype)
    for i in range(k):
        for j in range(k):
            columns[:, :, i, j] = x[:, :, i:i + oh, j:j + ow]
    return columns.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)


def _col2im(columns, shape, k):
    """The adjoint of `_im2col`."""
    n, c, h, w = shape
    oh, ow = h - k + 1, w - k + 1
    columns = columns.reshape(n, oh, ow, c, k, k).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape, columns.dtype)
    for i in range(k):
        for j in range(k):
            x[:, :, i:i + oh, j:j + ow] += columns[:, :, i, j]
    return x


class _Conv:
    """Kernel k x k, stride 1, no padding."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, x):
        self.shape, k = x.shape, self.weight.shape[2]
        self.columns = _im2col(x, k)
        out = self.columns @ self.weight.reshape(len(self.weight), -1).T + self.bias
        return out.reshape(len(x), x.shape[2] - k + 1, x.shape[3] - k + 1, -1).transpose(0, 3, 1, 2)

    def backward(self, grad):
        rows = grad.transpose(0, 2, 3, 1).reshape(-1, len(self.weight))
        self.grad_weight = (rows.T @ self.columns).reshape(self.weight.shape)
        self.grad_bias = rows.sum(0)
        return _col2im(rows @ self.weight.reshape(len(self.weight), -1), self.shape, self.weight.shape[2])


class _ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask


class _MaxPool:
    """2 x 2, stride 2."""

    def forward(self, x):
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        self.where = windows.argmax(-1)
        return windows.max(-1)

    def backward(self, grad):
        n, c, h, w = grad.shape
        windows = (np.arange(4) == self.where[..., None]) * grad[..., None]
        return windows.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)


class TextbookLeNet:
    """The network with the weights of a state dict of `minicnn.models.LeNet`. It copies the arrays as `dtype`."""

    def __init__(self, state: dict[str, np.ndarray], dtype: type = np.float32):
        self.state: dict[str, np.ndarray] = {name: array.astype(dtype) for name, array in state.items()}
        self.convs = [_Conv(self.state[f"conv{i}.weight"], self.state[f"conv{i}.bias"]) for i in range(1, 5)]
        self.layers = [layer for conv in self.convs for layer in (conv, _ReLU())] + [_MaxPool()]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(N, 1, 28, 28) -> logits (N, 10)."""
        for layer in self.layers:
            x = layer.forward(x)
        self.pooled = x
        return x.reshape(len(x), -1) @ self.state["fc1.weight"].T + self.state["fc1.bias"]

    def gradients(self, x: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """The mean cross-entropy of a batch, and {name of an array: its gradient}."""
        logits = self.forward(x)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        samples = np.arange(len(labels))
        loss = -np.log(p[samples, labels]).mean()
        p[samples, labels] -= 1
        p /= len(labels)
        found = {"fc1.weight": p.T @ self.pooled.reshape(len(p), -1), "fc1.bias": p.sum(0)}
        grad = (p @ self.state["fc1.weight"]).reshape(self.pooled.shape)
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        for i, conv in enumerate(self.convs, 1):
            found |= {f"conv{i}.weight": conv.grad_weight, f"conv{i}.bias": conv.grad_bias}
        return loss, found

    def descend(self, gradients: dict[str, np.ndarray], lr: float) -> None:
        """One step of plain gradient descent."""
        for name, gradient in gradients.items():
            self.state[name] -= lr * gradient
