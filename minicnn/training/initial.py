"""Fine-tuning: a new training that begins with given weights."""

from __future__ import annotations

from ..checkpoint import Checkpoint, load_into
from ..errors import InputTypeError
from ..nn import Module


def start_from(weights: Checkpoint, model: Module) -> list[str]:
    """Put the weights of a checkpoint into a model that is to be trained further, perhaps for other classes.

    If the number of classes differs, the last layer keeps its own initial weights, and learns anew. The last layer is
    the module of the last parameter in `model.named_parameters()`. The number of classes is the size of its arrays
    along the first axis.

    Parameters
    ----------
    weights : Checkpoint
        As from `minicnn.checkpoint.load`.
    model : Module
        After an error it is unchanged.

    Returns
    -------
    list of str
        The names of the arrays that start anew; often [].

    Raises
    ------
    CheckpointError
        The weights are those of another model: another array has another shape, or arrays are missing or unexpected.
        The message lists all of them.
    InputTypeError
        `weights` is no Checkpoint, or `model` no Module.

    Examples
    --------
    >>> from minicnn.nn import Linear, ReLU, Sequential
    >>> ten, three = (Sequential(Linear(4, 5), ReLU(), Linear(5, classes)) for classes in (10, 3))
    >>> start_from(Checkpoint(ten.state_dict()), three)
    ['2.weight', '2.bias']
    >>> bool((three[0].weight.data == ten[0].weight.data).all())
    True
    """
    if not isinstance(weights, Checkpoint):
        raise InputTypeError(f"start_from: weights must be a Checkpoint from minicnn.checkpoint.load, not a "
                             f"{type(weights).__name__}")
    if not isinstance(model, Module):
        raise InputTypeError(f"start_from: the model must be a Module, not a {type(model).__name__}")
    own, given = model.state_dict(), weights.model
    last = [name for name, _ in model.named_parameters()][-1:]
    layer = "".join(last).rpartition(".")[0]
    inside = [name for name in own if name in given and name.rpartition(".")[0] == layer]
    differ = [name for name in inside if own[name].shape != given[name].shape]
    if not all(own[name].ndim == given[name].ndim and own[name].shape[1:] == given[name].shape[1:] for name in differ):
        differ = []                               # `load_into` lists them
    anew = inside if differ else []
    load_into(Checkpoint({**given, **{name: own[name] for name in anew}}, path=weights.path), model)
    return anew
