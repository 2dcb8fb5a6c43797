"""Networks, each as an example of how one builds: LeNets, a small ResNet, a U-Net, and an MLP to compare with."""

from .lenets import LENET_POOLS, PRETRAINED, FourConvolutions, GlobalLeNet, LeNet, lenet
from .mlp import MLP
from .named import MODELS, made_for, name_of, sizes_of
from .resnet import BasicBlock, ResNet, small_resnet
from .u_net import UNet, double_convolution, unet

__all__ = ["LENET_POOLS", "MLP", "MODELS", "PRETRAINED", "BasicBlock", "FourConvolutions", "GlobalLeNet", "LeNet",
           "ResNet", "UNet", "double_convolution", "lenet", "made_for", "name_of", "sizes_of", "small_resnet", "unet"]
