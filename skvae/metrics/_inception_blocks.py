"""Blocks of Inception-v3, with the layer names of the published weights."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skvae.metrics._pretrained import FrozenBatchNorm, zero_conv

Kernel = int | tuple[int, int]


def average_pool(x: Tensor) -> Tensor:
    """Mean of every pixel's 3 x 3 neighbours, the padding not counted."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def max_pool(x: Tensor) -> Tensor:
    """Maximum of every pixel's 3 x 3 neighbours."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


class Conv(nn.Module):
    """Convolution, normalisation, rectifier."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: Kernel,
        stride: int = 1,
        padding: Kernel = 0,
    ) -> None:
        super().__init__()
        self.conv = zero_conv(n_in, n_out, kernel, stride=stride, padding=padding)
        self.bn = FrozenBatchNorm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map maps to maps."""
        return F.relu(self.bn(self.conv(x)))


def _wide(n_in: int, n_out: int, size: int) -> Conv:
    return Conv(n_in, n_out, (1, size), padding=(0, size // 2))


def _tall(n_in: int, n_out: int, size: int) -> Conv:
    return Conv(n_in, n_out, (size, 1), padding=(size // 2, 0))


class _Block(nn.Module):
    """Branches side by side, of layers by the names of the state dict."""

    def chain(self, branch: str, x: Tensor) -> Tensor:
        """Apply the layers `branch`_1, `branch`_2, ... in their order."""
        i = 1
        while hasattr(self, f"{branch}_{i}"):
            x = getattr(self, f"{branch}_{i}")(x)
            i += 1
        return x


class Mixed35(_Block):
    """Block on maps of 35 x 35."""

    def __init__(self, n_in: int, n_pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(n_in, 64, 1)
        self.branch5x5_1 = Conv(n_in, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(n_in, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(n_in, n_pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map maps to maps."""
        one, pool = self.branch1x1(x), self.branch_pool(average_pool(x))
        five, three = self.chain("branch5x5", x), self.chain("branch3x3dbl", x)
        return torch.cat([one, five, three, pool], 1)


class Shrink35(_Block):
    """From 35 x 35 to 17 x 17."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(n_in, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(n_in, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map maps to maps."""
        double, pool = self.chain("branch3x3dbl", x), F.max_pool2d(x, 3, 2)
        return torch.cat([self.branch3x3(x), double, pool], 1)


class Mixed17(_Block):
    """Block on maps of 17 x 17, with 7 x 7 kernels factored."""

    def __init__(self, n_in: int, n_inner: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(n_in, 192, 1)
        self.branch7x7_1 = Conv(n_in, n_inner, 1)
        self.branch7x7_2 = _wide(n_inner, n_inner, 7)
        self.branch7x7_3 = _tall(n_inner, 192, 7)
        self.branch7x7dbl_1 = Conv(n_in, n_inner, 1)
        self.branch7x7dbl_2 = _tall(n_inner, n_inner, 7)
        self.branch7x7dbl_3 = _wide(n_inner, n_inner, 7)
        self.branch7x7dbl_4 = _tall(n_inner, n_inner, 7)
        self.branch7x7dbl_5 = _wide(n_inner, 192, 7)
        self.branch_pool = Conv(n_in, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map maps to maps."""
        one, pool = self.branch1x1(x), self.branch_pool(average_pool(x))
        seven, double = self.chain("branch7x7", x), self.chain("branch7x7dbl", x)
        return torch.cat([one, seven, double, pool], 1)


class Shrink17(_Block):
    """From 17 x 17 to 8 x 8."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(n_in, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(n_in, 192, 1)
        self.branch7x7x3_2 = _wide(192, 192, 7)
        self.branch7x7x3_3 = _tall(192, 192, 7)
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map maps to maps."""
        three, seven = self.chain("branch3x3", x), self.chain("branch7x7x3", x)
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class Mixed8(_Block):
    """Block on maps of 8 x 8, with forked 3 x 3 kernels."""

    def __init__(self, n_in: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool
        self.branch1x1 = Conv(n_in, 320, 1)
        self.branch3x3_1 = Conv(n_in, 384, 1)
        self.branch3x3_2a = _wide(384, 384, 3)
        self.branch3x3_2b = _tall(384, 384, 3)
        self.branch3x3dbl_1 = Conv(n_in, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _wide(384, 384, 3)
        self.branch3x3dbl_3b = _tall(384, 384, 3)
        self.branch_pool = Conv(n_in, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map maps to maps."""
        one, pool = self.branch1x1(x), self.branch_pool(self.pool(x))
        three, double = self.chain("branch3x3", x), self.chain("branch3x3dbl", x)
        three = self.branch3x3_2a(three), self.branch3x3_2b(three)
        double = self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)
        return torch.cat([one, *three, *double, pool], 1)
