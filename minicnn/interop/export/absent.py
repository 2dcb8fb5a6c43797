"""The operations that are not exported, by their names in OPERATIONS.md, and why."""

from __future__ import annotations

_LOSS = ("a loss compares the output with targets, which nobody has when the network is used. Export the network "
         "without it")
_INDEX = ("its result is an array of integers outside of Tensors, which Python code may use for anything. Take it of "
          "the model's output")

NOT_EXPORTED = {
    "argmax": _INDEX, "argmin": _INDEX,
    "max_unpool2d": "its indices are an array of integers outside of Tensors, which Python code may use for anything. "
                    "Use interpolate or conv_transpose2d instead",
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss",
                     "kl_div", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss"), _LOSS),
    "dropout": "it draws numbers, and the graph is for evaluation. A layer Dropout is left out; a call of the function "
               "must say training=self.training",
}
