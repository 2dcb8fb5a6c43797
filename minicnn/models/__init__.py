"""Networks, each as an example of how one builds: LeNets, a small ResNet, and an MLP to compare with."""

from .lenets import LENET_POOLS, PRETRAINED, FourConvolutions, GlobalLeNet, LeNet, lenet
from .mlp import MLP
from .named import MODELS, made_for, name_of, sizes_of
from .resnet import BasicBlock, ResNet, small_resnet

__all__ = ["LENET_POOLS", "MLP", "MODELS", "PRETRAINED", "BasicBlock", "FourConvolutions", "GlobalLeNet", "LeNet",
           "ResNet", "lenet", "made_for", "name_of", "sizes_of", "small_resnet"]
