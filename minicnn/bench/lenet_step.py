"""What every competitor computes: a LeNet's training step, or its logits; and the check that it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models import LeNet
from .libraries import textbook

LR = 0.01
TOLERANCE = 1e-3                                  # of losses and logits
CHANGE_TOLERANCE = 0.1                            # of what the steps changed; what is wrong is off by more
STEPS = 2


@dataclass(frozen=True)
class Problem:
    """A batch and the weights to start from, the same in every process.

    Attributes
    ----------
    state : dict of ndarray, float32
        As `minicnn.models.LeNet` names and shapes them.
    images : ndarray, shape (N, 1, 28, 28), float32
    labels : ndarray of int64, shape (N,)
    lr : float
        Of plain gradient descent.
    """

    state: dict
    images: np.ndarray
    labels: np.ndarray
    lr: float = LR

    @classmethod
    def make(cls, batch_size):
        """Random images and labels, and the weights that minicnn's LeNet starts from."""
        rng = np.random.default_rng(0)
        images = rng.standard_normal((batch_size, 1, 28, 28), np.float32)
        return cls(LeNet(rng=rng).state_dict(), images, rng.integers(0, 10, batch_size))


@dataclass(frozen=True)
class Solution:
    """The problem solved in float64 by the textbook's code.

    Attributes
    ----------
    start : dict of ndarray
        The weights before the first step.
    losses : list of float
        Of each of the steps.
    weights : dict of ndarray
        After them.
    logits : ndarray, shape (N, 10)
        Of the weights at the start.
    """

    start: dict
    losses: list
    weights: dict
    logits: np.ndarray


def solve(problem, steps=STEPS, chunk=32) -> Solution:
    """The exact answer; the batch goes through `chunk` images at a time, so that any size fits into memory."""
    model = textbook.LeNet(problem.state, np.float64)
    count = len(problem.images)
    parts = [slice(i, i + chunk) for i in range(0, count, chunk)]
    logits = np.concatenate([model.forward(problem.images[part]) for part in parts])
    losses = []
    for _ in range(steps):
        total, gradients = 0.0, {}
        for part in parts:
            loss, found = model.gradients(problem.images[part], problem.labels[part])
            share = len(problem.labels[part]) / count
            total += share * loss
            gradients = {name: gradients.get(name, 0) + share * array for name, array in found.items()}
        losses.append(float(total))
        model.descend(gradients, problem.lr)
    return Solution(problem.state, losses, model.state, logits)


def judge(solution, answer) -> tuple[float, str | None]:
    """How far a worker's answer is from the solution, and what is wrong with it, or None.

    The weights are judged by their change, |w - exact| / |exact - start| in the Euclidean norm of each array: two small
    steps hardly move them, so that they would agree to 1e-3 without any step. The tolerance is wide all the same: an
    activation within a rounding error of ReLU's kink passes its gradient or not, which is 1/sqrt(terms) of a sum that
    cancels. That is why this error tells right from wrong, but not who computes more exactly.

    Returns
    -------
    error : float
        Training: that of the worst array. Inference: the largest error of a logit over the largest logit.
    reason : str or None
    """
    if "logits" in answer:
        logits = np.asarray(answer["logits"])
        if logits.shape != solution.logits.shape:
            return np.inf, f"its logits have shape {logits.shape}, not {solution.logits.shape}"
        error = float(abs(logits - solution.logits).max() / abs(solution.logits).max())
        return error, None if error <= TOLERANCE else f"its logits are off by {error:.1e} of the largest"
    for step, (exact, loss) in enumerate(zip(solution.losses, answer["losses"], strict=True), 1):
        if not abs(loss - exact) <= TOLERANCE * abs(exact):
            return np.inf, f"its loss in step {step} is {loss:.6g}, not {exact:.6g}"
    errors = {}
    for name, exact in solution.weights.items():
        weights = np.asarray(answer["weights"][name])
        if weights.shape != exact.shape:
            return np.inf, f"its {name} has shape {weights.shape}, not {exact.shape}"
        errors[name] = float(np.linalg.norm(weights - exact) / np.linalg.norm(exact - solution.start[name]))
    worst = max(errors, key=lambda name: np.nan_to_num(errors[name], nan=np.inf))
    reason = f"after {STEPS} steps the change of its {worst} is off by {errors[worst]:.1e}"
    return errors[worst], None if errors[worst] <= CHANGE_TOLERANCE else reason
