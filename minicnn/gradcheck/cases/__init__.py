"""The operations of the engine, with inputs for `gradcheck`: one file for each kind.

Each function of TABLES yields (kind, variant, func, shapes of the inputs, options); see `Operation`. Arguments that are
not Tensors, such as labels and probabilities, are drawn from the generator only once, because func must give the same
output at every call.
"""

from .arithmetic import operators, shapes_and_sums
from .arrays import choices, functions, places, statistics
from .convolution import convolutions
from .images import images
from .layers import activations, layers
from .losses import losses, losses_of_probabilities
from .operation import Operation
from .pooling import pools

TABLES = (operators, shapes_and_sums, choices, functions, statistics, places, activations, layers, images, pools,
          losses, losses_of_probabilities)

__all__ = ["TABLES", "Operation", "convolutions"]
