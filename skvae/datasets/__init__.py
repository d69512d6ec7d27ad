"""Published sets of images, toy densities, and the split that holds a class out."""

from skvae.datasets.cifar import load_cifar10
from skvae.datasets.idx import load_idx
from skvae.datasets.mnist import load_fashion_mnist, load_mnist
from skvae.datasets.splits import HeldOutClassSplit, held_out_class_split
from skvae.datasets.toy import Checkerboard, EightGaussians, TwoSpirals

__all__ = [
    "Checkerboard",
    "EightGaussians",
    "HeldOutClassSplit",
    "TwoSpirals",
    "held_out_class_split",
    "load_cifar10",
    "load_fashion_mnist",
    "load_idx",
    "load_mnist",
]
