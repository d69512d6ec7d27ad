"""The Inception network of the Fréchet inception distance."""

import os
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skvae._utils.validation import check_choice
from skvae.metrics._inception_blocks import (
    Conv,
    Mixed8,
    Mixed17,
    Mixed35,
    Shrink17,
    Shrink35,
    average_pool,
    max_pool,
)
from skvae.metrics._pretrained import load_weights, zero_linear

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
URL = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth"
)
VARIABLE = "SKVAE_FID_WEIGHTS"
FILE_NAMES = (
    "pt_inception-2015-12-05-6726825d.pth",  # pytorch-fid, torchmetrics
    "weights-inception-2015-12-05-6726825d.pth",  # torch-fidelity
)
SIZE = 299
TAPS = (64, 192, 768, 2048)


class FIDInceptionV3(nn.Module):
    """Inception-v3 as of December 2015, whose features define the FID.

    The network is torch's Inception-v3 but for three traits of the original graph:
    average pools do not count the padding, the pool branch of the last block takes
    maxima, and there are 1,008 classes. A new network has zero weights; fill it with
    `load_fid_inception` or ``load_state_dict``.

    Notes
    -----
    An image is resized to 299 x 299 as pytorch-fid does: bilinear, corners not
    aligned, without antialiasing, and then scaled to [-1, 1]. Its weights are never
    trained: normalisation is by stored moments in every mode.

    A state dict of the published form has 472 entries, or 566 with the counters
    of batch normalisation, which are dropped.

    References
    ----------
    Szegedy et al. 2016, Rethinking the Inception architecture for computer vision,
    arXiv:1512.00567. Heusel et al. 2017, arXiv:1706.08500. The weights were converted
    by M. Seitzer, https://github.com/mseitzer/pytorch-fid.

    Examples
    --------
    >>> import torch
    >>> from skvae.metrics import FIDInceptionV3
    >>> network = FIDInceptionV3()
    >>> network(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 2048])
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = Mixed35(192, n_pool=32)
        self.Mixed_5c = Mixed35(256, n_pool=64)
        self.Mixed_5d = Mixed35(288, n_pool=64)
        self.Mixed_6a = Shrink35(288)
        self.Mixed_6b = Mixed17(768, n_inner=128)
        self.Mixed_6c = Mixed17(768, n_inner=160)
        self.Mixed_6d = Mixed17(768, n_inner=160)
        self.Mixed_6e = Mixed17(768, n_inner=192)
        self.Mixed_7a = Shrink17(768)
        self.Mixed_7b = Mixed8(1280, pool=average_pool)
        self.Mixed_7c = Mixed8(2048, pool=max_pool)
        self.fc = zero_linear(2048, 1008)

    def forward(self, x: Tensor, tap: int = 2048) -> Tensor:
        """Compute the features of images.

        Parameters
        ----------
        x : Tensor of shape (n, 3, height, width)
            Float images in [0, 1].
        tap : {64, 192, 768, 2048}, default=2048
            The layer, by its number of channels.

        Returns
        -------
        h : Tensor of shape (n, tap)
            Means of the layer's maps; the published features are those of 2048.
        """
        check_choice("FIDInceptionV3", "tap", tap, TAPS)
        return self.maps(x)[tap].mean((2, 3))

    def maps(self, x: Tensor) -> dict[int, Tensor]:
        """Compute the maps at the four layers of pytorch-fid.

        Parameters
        ----------
        x : Tensor of shape (n, 3, height, width)
            Float images in [0, 1].

        Returns
        -------
        maps : dict of Tensor of shape (n, tap, height, width), by tap
            After the first and second maximum pool (64 and 192), before the last
            shrinking block (768), and behind the last block (2048).
        """
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", align_corners=False)
        x = 2 * x - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        first = F.max_pool2d(x, 3, 2)  # (n, 64, 73, 73)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(first))
        second = F.max_pool2d(x, 3, 2)  # (n, 192, 35, 35)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(second))))
        x = self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x)))
        third = self.Mixed_6e(x)  # (n, 768, 17, 17)
        fourth = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(third)))  # (n, 2048, 8, 8)
        return dict(zip(TAPS, (first, second, third, fourth), strict=True))


def load_fid_inception(
    path: str | PathLike[str] | None = None, *, download: bool = False
) -> FIDInceptionV3:
    """Load the network of the published FID from its file of weights.

    Without a path, the file is the one that the environment variable
    ``SKVAE_FID_WEIGHTS`` names, or else one in torch's hub cache, under the name that
    pytorch-fid or the one that torch-fidelity gives it.

    Parameters
    ----------
    path : str or path-like, default=None
        The file ``pt_inception-2015-12-05-6726825d.pth``, 96 MB.
    download : bool, default=False
        Fetch the file into torch's hub cache where none of these is found. Nothing
        else connects to the network.

    Returns
    -------
    network : FIDInceptionV3
        In evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says where to put it.
    ValueError
        If the file's sha256 is not the published one.

    Examples
    --------
    >>> from skvae.metrics import load_fid_inception
    >>> load_fid_inception("absent.pth")
    Traceback (most recent call last):
    FileNotFoundError: There are no FID weights at absent.pth. ...
    """
    found = _find(path)
    if found is None and download and path is None:
        found = _cache() / FILE_NAMES[0]
        found.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(found), SHA256, progress=False)
    if found is None:
        raise FileNotFoundError(_absent(path))
    return load_weights(FIDInceptionV3(), found, SHA256)


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _named(path: str | PathLike[str] | None) -> str | PathLike[str] | None:
    return os.environ.get(VARIABLE) or None if path is None else path


def _find(path: str | PathLike[str] | None) -> Path | None:
    named = _named(path)
    files = [Path(named)] if named else [_cache() / name for name in FILE_NAMES]
    return next((file for file in files if file.is_file()), None)


def _absent(path: str | PathLike[str] | None) -> str:
    named = _named(path)
    place = f"at {named}" if named else f"in {_cache()}"
    if path is None and named:
        place += f", which the environment variable {VARIABLE} names"
    return (
        f"There are no FID weights {place}. Fetch {URL} and save it as "
        f"{_cache() / FILE_NAMES[0]}, or name its place by a path or by the "
        f"environment variable {VARIABLE}; load_fid_inception(download=True) fetches "
        "it. Without it, take network='efficientnet-lite0', which is not the FID."
    )
