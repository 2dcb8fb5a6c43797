"""LeNets, and an MLP to compare them with."""

from .lenets import LENET_POOLS, PRETRAINED, FourConvolutions, GlobalLeNet, LeNet, lenet
from .mlp import MLP
from .named import MODELS, name_of

__all__ = ["LENET_POOLS", "MLP", "MODELS", "PRETRAINED", "FourConvolutions", "GlobalLeNet", "LeNet", "lenet", "name_of"]
