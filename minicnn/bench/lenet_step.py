"""The work that `minicnn bench train` measures, a training step or the logits, and the check of the results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import functional as F
from ..grad_mode import no_grad
from ..models import MODELS
from ..optim import SGD
from ..tensor import Tensor
from .textbook_lenet import TextbookLeNet

LR = 0.01
TOLERANCE = 1e-3                                  # of losses and logits
CHANGE_TOLERANCE = 0.1                            # of the change of the weights; a wrong gradient has a larger error
JUDGED_STEPS = 2
NETWORKS = {"lenet": "LeNet", "small-resnet": "small ResNet"}        # name in `minicnn.models`: name in the tables
HWIO = (2, 3, 1, 0)                               # (K, C, kh, kw) -> (kh, kw, C, K)
KCHW = (3, 2, 0, 1)                               # (kh, kw, C, K) -> (K, C, kh, kw)


@dataclass(frozen=True)
class StepInputs:
    """A batch and the initial weights. They are the same in every process.

    Attributes
    ----------
    state : dict of ndarray, float32
        The weights, named and shaped as in `minicnn.models`.
    images : ndarray, shape (N, 1, 28, 28), float32
    labels : ndarray of int64, shape (N,)
    lr : float
        The learning rate of plain gradient descent.
    model : str
        A name in NETWORKS.
    """

    state: dict[str, np.ndarray]
    images: np.ndarray
    labels: np.ndarray
    lr: float = LR
    model: str = "lenet"

    @classmethod
    def make(cls, batch_size: int, model: str = "lenet") -> StepInputs:
        """Random images and labels, and the initial weights of minicnn's network; the seed is always 0."""
        rng = np.random.default_rng(0)
        images = rng.standard_normal((batch_size, 1, 28, 28), np.float32)
        return cls(MODELS[model](rng=rng).state_dict(), images, rng.integers(0, 10, batch_size), model=model)


@dataclass(frozen=True)
class StepReference:
    """The results in float64, computed by the textbook's LeNet; for another network by minicnn's im2col in float64.

    Attributes
    ----------
    start : dict of ndarray
        The weights before the first step.
    losses : list of float
        The loss of each step.
    weights : dict of ndarray
        The weights after the last step.
    logits : ndarray, shape (N, 10)
        The logits of the weights at the start.
    """

    start: dict[str, np.ndarray]
    losses: list[float]
    weights: dict[str, np.ndarray]
    logits: np.ndarray


def compute_reference(inputs: StepInputs, steps: int = JUDGED_STEPS, chunk: int = 32) -> StepReference:
    """The results in float64. The LeNet computes `chunk` images at a time, so any batch fits into memory."""
    if inputs.model != "lenet":
        return _computed_by_minicnn(inputs, steps)
    model = TextbookLeNet(inputs.state, np.float64)
    count = len(inputs.images)
    parts = [slice(i, i + chunk) for i in range(0, count, chunk)]
    logits = np.concatenate([model.forward(inputs.images[part]) for part in parts])
    losses = []
    for _ in range(steps):
        total, gradients = 0.0, {name: np.zeros_like(array) for name, array in model.state.items()}
        for part in parts:
            loss, found = model.gradients(inputs.images[part], inputs.labels[part])
            share = len(inputs.labels[part]) / count
            total += share * loss
            gradients = {name: gradients[name] + share * array for name, array in found.items()}
        losses.append(float(total))
        model.descend(gradients, inputs.lr)
    return StepReference(inputs.state, losses, model.state, logits)


def _computed_by_minicnn(inputs, steps):
    model = MODELS[inputs.model](dtype=np.float64, algorithm="im2col")
    model.load_state_dict(inputs.state)
    images, optimizer, losses = Tensor(inputs.images.astype(np.float64)), SGD(model.parameters(), inputs.lr), []
    with no_grad():
        logits = model.eval()(images).data
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), inputs.labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return StepReference(inputs.state, losses, model.state_dict(), logits)


def judge(reference: StepReference, answer: dict) -> tuple[float, str | None]:
    """The error of a worker's answer, and the reason if the answer is wrong.

    The weights are judged by their change, |w - reference| / |reference - start| in the Euclidean norm of each array.
    Two small steps hardly move the weights, so a comparison of the weights themselves would pass without any step. The
    tolerance of the change is wide: an activation within a rounding error of ReLU's kink passes its gradient in one
    library and not in another. This error shows if a library is wrong, but not which library is more exact.

    Parameters
    ----------
    reference : StepReference
    answer : dict
        "logits", or "losses" and "weights", as nested lists.

    Returns
    -------
    error : float
        Training: the error of the worst array. Inference: the largest error of a logit over the largest logit.
    reason : str or None
    """
    if "logits" in answer:
        logits = np.asarray(answer["logits"])
        if logits.shape != reference.logits.shape:
            return np.inf, f"its logits have shape {logits.shape}, not {reference.logits.shape}"
        error = float(abs(logits - reference.logits).max() / abs(reference.logits).max())
        return error, None if error <= TOLERANCE else f"its logits are off by {error:.1e} of the largest"
    for step, (expected, loss) in enumerate(zip(reference.losses, answer["losses"], strict=True), 1):
        if not abs(loss - expected) <= TOLERANCE * abs(expected):
            return np.inf, f"its loss in step {step} is {loss:.6g}, not {expected:.6g}"
    errors = {}
    for name, right in reference.weights.items():
        weights = np.asarray(answer["weights"][name])
        if weights.shape != right.shape:
            return np.inf, f"its {name} has shape {weights.shape}, not {right.shape}"
        errors[name] = float(np.linalg.norm(weights - right) / np.linalg.norm(right - reference.start[name]))
    worst = max(errors, key=lambda name: np.nan_to_num(errors[name], nan=np.inf))
    reason = f"after {JUDGED_STEPS} steps the change of its {worst} is off by {errors[worst]:.1e}"
    return errors[worst], None if errors[worst] <= CHANGE_TOLERANCE else reason


def channels_last(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights with kernels (kh, kw, C, K), for libraries whose images are (N, H, W, C)."""
    return {name: array.transpose(HWIO) if array.ndim == 4 else array for name, array in state.items()}


def channels_first(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `channels_last`: kernels (K, C, kh, kw)."""
    return {name: array.transpose(KCHW) if array.ndim == 4 else array for name, array in state.items()}
