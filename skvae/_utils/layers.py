"""Layers of torch that do not draw weights of their own."""

from torch import nn


class _Unfilled:
    """A layer whose maker fills the weights.

    torch's own draws would come from the global generator. ``nn.utils.skip_init``,
    which leaves them out, imports torch's compiler, which takes a second.
    """

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Linear(_Unfilled, nn.Linear):
    """Linear layer without weights."""


class Conv2d(_Unfilled, nn.Conv2d):
    """Convolution without weights."""


class ConvTranspose2d(_Unfilled, nn.ConvTranspose2d):
    """Transposed convolution without weights."""
