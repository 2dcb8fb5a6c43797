"""The LeNet that `explore` and `animate` show: it takes a grey digit of 28x28 pixels, and has ten classes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..checkpoint import CheckpointError, load_into

DIGITS = {"in_channels": 1, "num_classes": 10, "image_size": [28, 28]}
WORDS = {"in_channels": "channels", "num_classes": "classes", "image_size": "pixels"}


def load_digit_network(saved: Any, model: Any, shown: str, max_pool: bool = False) -> None:
    """Load the weights of a checkpoint into a LeNet for digits.

    Parameters
    ----------
    saved : Checkpoint
    model : LeNet
    shown : str
        What shows it: "the page", "the picture".
    max_pool : bool
        Whether the network must have the LeNet's max-pool.

    Raises
    ------
    CheckpointError
        The checkpoint is of another network, of one for other images or classes, or of one whose images are normalised
        in another way than MNIST's digits.
    """
    from ..data import Rules
    from .data_choice import rules_of
    name, sizes = saved.meta.get("model", "lenet"), saved.meta.get("model_options")
    advice = "give weights that minicnn train --model lenet made of handwritten digits"
    if max_pool and name != "lenet":
        raise CheckpointError(f"{saved.path} is of the model {name}; {shown} shows the LeNet with its max-pool: "
                              f"{advice}")
    if isinstance(sizes, dict) and str(name).startswith("lenet"):
        for key, wanted in DIGITS.items():
            found = sizes.get(key, wanted)
            found = list(found) if isinstance(found, (list, tuple)) else found
            if found != wanted:
                show = lambda value: "x".join(map(str, value)) if isinstance(value, list) else value
                raise CheckpointError(f"{saved.path} is of a LeNet for {show(found)} {WORDS[key]}; {shown} shows grey "
                                      f"digits of 28x28 pixels in ten classes: {advice}")
    rules = rules_of(saved.meta, saved.path)
    if (rules.mean, rules.std) != (Rules().mean, Rules().std):
        raise CheckpointError(f"{saved.path} is of a network for images that are normalised in another way than the "
                              f"digits that {shown} shows ({asdict(rules)}): {advice}")
    try:
        load_into(saved, model)
    except CheckpointError:
        if "model" not in saved.meta:
            raise
        raise CheckpointError(f"{saved.path} is of the model {name}; {shown} shows a LeNet: {advice}") from None
