"""The autoencoder as one torch module: encode(x) -> q(z|x), decode(z) -> p(x|z)."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._distributions.observed import Observed
from skvae._utils.device import available_device
from skvae._utils.float32 import to_float32
from skvae._utils.random import standard_normal
from skvae._utils.rows import DataSummary, has_missing, row_blocks
from skvae._utils.threads import limited_threads

__all__ = ["AutoencoderModule"]

# Inference runs in blocks of equal shape, powers of two. From 32 rows on, no row falls
# into the remainder that element-wise functions compute without vector instructions,
# and rounds differently. From 4 on, matrix products take one way through the BLAS.
BLOCK, _SMALLEST_BLOCK, _BLOCK_OF_ONE_ROW = 512, 32, 4
# The largest blocks have as many rows, at least 16, as keep below this number the
# values of the rows, of their posteriors, and of the widest layer of convolutions.
_BLOCK_VALUES, _CONVOLUTION_ROWS = 2**19, 16
# The encoder's input in spreads: what is farther away is seen at this distance, so that
# nothing overflows. Of n training rows, none is farther than their root.
_FARTHEST, _SMALLEST = 1e6, 1e-30
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CONVOLUTIONS += (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class AutoencoderModule(nn.Module):
    """Encoder, posterior, decoder and likelihood.

    The encoder sees rows that are centred and scaled with the training data's mean and
    spread; x itself stays in the units of the data, or in those of `frame` where
    float32 would lose what the data say.

    Parameters
    ----------
    encoder : nn.Module, (n, n_inputs) -> (n, posterior.n_outputs(n_components))
    posterior : Posterior
    decoder : nn.Module, (n, n_components) -> (n, likelihood.n_outputs(n_features))
    likelihood : Likelihood
    summary : DataSummary
    n_components : int

    Attributes
    ----------
    frame : Frame
        Origin and units of x; plain, and x in the units of the data, unless these lie
        far from 0 beside their spread, or this is very large or small. It also says
        whether x may have missing values, NaN: the encoder sees the training mean in
        their place, and ``log_prob`` of p(x|z) is that of the others.
    block : int
        Rows of the largest block of inference: fewer where rows, covariances or
        convolutions need much memory per row.
    """

    # While rows are disturbed, the deviations of the noise and what it is drawn from.
    _noise: tuple[Tensor, torch.Generator] | None = None

    def __init__(
        self,
        encoder: nn.Module,
        posterior: nn.Module,
        decoder: nn.Module,
        likelihood: nn.Module,
        summary: DataSummary,
        n_components: int,
    ) -> None:
        super().__init__()
        self.encoder, self.posterior = encoder, posterior
        self.decoder, self.likelihood = decoder, likelihood
        self.n_features, self.n_components = summary.n_features, n_components
        self.frame = summary.frame
        for name in ("factor", "shift"):
            self.register_buffer(name, torch.empty(0, device="cpu"))
        self.standardise(summary)
        n_inputs = likelihood.n_inputs(self.n_features)
        n_outputs = likelihood.n_outputs(self.n_features)
        networks = (encoder, n_inputs), (decoder, n_components)
        values = max(_values_per_row(network, n_in) for network, n_in in networks)
        values = max(values, n_inputs, n_outputs, posterior.n_outputs(n_components))
        n_rows = power_of_two(_BLOCK_VALUES // values)
        self.block = min(BLOCK, max(_CONVOLUTION_ROWS, n_rows))

    def standardise(self, summary: DataSummary) -> None:
        """Centre and scale the encoder's input by these statistics."""
        spread = self.likelihood.encoder_scale(summary)
        spread = np.float32(np.maximum(spread, _SMALLEST))
        factor = np.broadcast_to(1 / spread, summary.mean.shape).astype(np.float32)
        shift = (-summary.mean * factor).astype(np.float32)
        for name, values in ("factor", factor), ("shift", shift):
            buffer = torch.from_numpy(values).to(getattr(self, name).device)
            setattr(self, name, buffer)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.factor.device

    def encode(self, x: Tensor) -> Any:
        """Return q(z|x) for x of shape (n, n_features)."""
        return self.posterior(self.raw_encoding(x))

    def raw_encoding(self, x: Tensor) -> Tensor:
        """Return the encoder's outputs, which `posterior` turns into q(z|x)."""
        x = self.inputs(x)
        if not self.training:
            x = x.clamp(-_FARTHEST, _FARTHEST)
        elif self._noise is not None:
            deviation, generator = self._noise
            noise = standard_normal(*x.shape, generator=generator, device=x.device)
            x = torch.addcmul(x, deviation, noise)
        if self.frame.has_missing:
            x = torch.where(x.isnan(), 0.0, x)
        return self.encoder(x).float()

    def inputs(self, x: Tensor) -> Tensor:
        """Return what the encoder sees of rows, NaN where a value is missing."""
        if self.likelihood.has_inputs:
            return self.likelihood.inputs(x)
        return torch.addcmul(self.shift, self.factor, x)

    @contextmanager
    def input_noise(self, scale: float, generator: torch.Generator) -> Iterator[None]:
        """Let the encoder see rows with normal noise in training mode, in a context.

        Parameters
        ----------
        scale : float
            Standard deviation in the units of X; 0 draws nothing.
        generator : torch.Generator
            On the device of the module.

        Raises
        ------
        ValueError
            If the noise is beyond the distance at which rows are still told apart, or
            if the encoder does not see values in the units of X.
        """
        if scale and self.likelihood.has_inputs:
            raise ValueError(
                "The 'input_noise' parameter is noise in the units of X, in which the "
                f"encoder sees no values with {type(self.likelihood).__name__}: it "
                "sees scores of numbers, and which categories there are. Set "
                "input_noise=0, or choose likelihood='gaussian' for an array of "
                "numbers."
            )
        in_frame = np.asarray(scale / self.frame.unit, dtype=np.float32)
        deviation = self.factor * torch.from_numpy(in_frame).to(self.device)
        if deviation.min() > _FARTHEST:
            raise ValueError(
                f"The 'input_noise' parameter is {scale}, {deviation.min():.2g} "
                "times the spread of X. It is in the units of X."
            )
        self._noise = (deviation, generator) if scale else None
        try:
            yield
        finally:
            self._noise = None

    def decode(self, z: Tensor) -> Any:
        """Return p(x|z) for z of shape (..., n_components)."""
        if z.ndim == 2:
            p = self.likelihood(self.decoder(z).float())
        else:
            h = self.decoder(z.reshape(-1, self.n_components)).float()
            p = self.likelihood(h.reshape(*z.shape[:-1], -1))
        return Observed(p, -self.shift / self.factor) if self.frame.has_missing else p

    def location(self, z: Tensor) -> Tensor:
        """Return where p(x|z) lies in units of the encoder's input, up to a constant.

        Of likelihoods with inputs of their own, such as categories, whose mean does not
        change smoothly, these are the outputs of the decoder.
        """
        if self.likelihood.has_inputs:
            return self.decoder(z).float()
        return self.decode(z).mean * self.factor

    def reading(self, X: np.ndarray) -> "AutoencoderModule":
        """Return the module that reads X: itself, or one for missing values.

        The other one has the same parameters and buffers.
        """
        if self.frame.has_missing or not has_missing(X):
            return self
        twin = self.__new__(type(self))
        vars(twin).update(vars(self))
        twin.frame = replace(self.frame, has_missing=True)
        return twin

    def draw_codes(
        self, X: np.ndarray, generator: torch.Generator, n_draws: int = 1
    ) -> np.ndarray:
        """Draw z ~ q(z|x) for every row: shape (n_samples, n_draws, n_components)."""

        def draw(module: AutoencoderModule, x: Tensor) -> Tensor:
            q = module.encode(x)
            shape = (n_draws, *q.mean.shape)
            noise = standard_normal(*shape, generator=generator, device=x.device)
            return q.rsample(noise).transpose(0, 1)

        return self.blockwise(draw, X, draws=True)

    def blockwise(
        self,
        function: Callable[["AutoencoderModule", Tensor], Tensor],
        X: np.ndarray,
        *,
        draws: bool = False,
        codes: bool = False,
    ) -> np.ndarray:
        """Apply a row-wise function in blocks, which are small for few rows.

        Parameters
        ----------
        function : callable, (module, Tensor (n, n_features)) -> Tensor (n, ...)
            The module is this one as it reads X, which may have missing values.
        X : ndarray of shape (n_samples, n_features)
        draws : bool, default=False
            Whether the function draws from a generator. Blocks then have the largest
            size, so that the draws do not depend on the number of rows.
        codes : bool, default=False
            Whether X are codes, not rows of data.

        Returns
        -------
        out : ndarray of shape (n_samples, ...)
        """
        n_rows = self.block if draws else block_size(len(X), self.block)
        module = self if codes else self.reading(X)
        read = to_float32 if codes else module.frame.read
        return blockwise(partial(function, module), X, self.device, n_rows, read)

    def __deepcopy__(self, memo: dict[int, Any]) -> "AutoencoderModule":
        """Copy on the same device, without the detour that a pickle takes.

        A copy made in training has no noise.
        """
        memo[id(self)] = twin = self.__new__(type(self))
        state = {**nn.Module.__getstate__(self), "_noise": None}
        nn.Module.__setstate__(twin, copy.deepcopy(state, memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Return a copy on the CPU, and the name of the device.

        A copy also on the CPU: torch moves tensors that are sent to another process
        into memory that both share.
        """
        module = copy.deepcopy(self).cpu()
        return {"module": nn.Module.__getstate__(module), "device": str(self.device)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore on the device of the fit, or one that there is in its place."""
        super().__setstate__(state["module"])
        self.to(available_device(state["device"]))


def block_size(n_rows: int, largest: int = BLOCK) -> int:
    """Return the rows of the blocks in which so many rows are inferred."""
    if n_rows == 1:
        return min(largest, _BLOCK_OF_ONE_ROW)
    return min(largest, max(_SMALLEST_BLOCK, 1 << (n_rows - 1).bit_length()))


def power_of_two(n: int) -> int:
    """Return the largest power of two up to n, at least 1."""
    return 1 << max(0, n.bit_length() - 1)


def blockwise(
    function: Callable[[Tensor], Tensor],
    X: np.ndarray,
    device: torch.device,
    n_rows: int = BLOCK,
    read: Callable[[np.ndarray], Tensor] = to_float32,
) -> np.ndarray:
    """Apply a row-wise function in padded blocks of one fixed shape.

    Parameters
    ----------
    function : callable, Tensor (n_rows, n_features) -> Tensor (n_rows, ...)
        Its value for a row must not depend on the other rows.
    X : ndarray of shape (n_samples, n_features)
    device : torch.device
    n_rows : int, default=BLOCK
    read : callable, default=to_float32
        Turns rows into a tensor.

    Returns
    -------
    out : ndarray of shape (n_samples, ...)
    """
    out = None
    exact = torch.autocast(device.type, enabled=False)
    with torch.inference_mode(), exact, limited_threads():
        for i, rows in enumerate(row_blocks(X, n_rows)):
            x = read(rows)
            if len(x) < n_rows:
                x = torch.cat([x, x[-1:].expand(n_rows - len(x), -1)])
            y = function(x.to(device))[: len(rows)].cpu().numpy()
            if out is None:
                out = np.empty((len(X), *y.shape[1:]), dtype=y.dtype)
            out[i * n_rows : i * n_rows + len(rows)] = y
    return out


def _values_per_row(network: nn.Module, n_in: int) -> int:
    """Return the number of values that the widest layer puts out for one row."""
    layers = list(network.modules())
    if not any(isinstance(layer, _CONVOLUTIONS) for layer in layers):
        return 1
    counts = [n_in]

    def count(layer: nn.Module, args: Any, out: Any) -> None:
        counts.append(out.numel() // 2 if isinstance(out, Tensor) else 1)

    modes = [layer.training for layer in layers]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    for layer in layers:
        layer.training = False  # no more than that: `eval` may have work to do
    with torch.no_grad():
        network(torch.zeros((2, n_in), dtype=torch.float32, device="cpu"))
    for layer, mode, hook in zip(layers, modes, hooks, strict=True):
        layer.training = mode
        hook.remove()
    return max(counts)
