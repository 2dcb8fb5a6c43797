"""Losses: one number for each sample or element, or their mean or sum.

Losses and sums are computed in float64. What has weight 0 or is ignored contributes 0, also if it is infinite or NaN.
"""

from .classification import cross_entropy, nll_loss
from .probabilities import binary_cross_entropy, binary_cross_entropy_with_logits, kl_div
from .reduction import DIVERGENCE_REDUCTIONS, REDUCTIONS
from .regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss

__all__ = [
    "DIVERGENCE_REDUCTIONS", "REDUCTIONS", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]
