"""Values whose normal scores are normal: any continuous, discrete or mixed margins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from skvae._distributions.normal import LOG_2PI

Knots = tuple[NDArray[np.float64], NDArray[np.float64]]
_MOST_VALUES = 2**17  # rows times knots, in one block of moments
_LEAST_MASS = 1e-12  # of the range of scores, for which a location is far outside
_LEAST_LOG_RATIO = 1e-6  # of two tails
_TAIL = -6.0  # where the asymptotic series of the distribution function begins


class ScoreMap(nn.Module):
    """Piecewise linear maps between the values of columns and their normal scores.

    A value with two knots is an atom, for which an interval of scores stands. Values
    beyond the first and the last knot have scores, but no scores have such values.

    Parameters
    ----------
    knots : sequence of (x, y), for every column
        Values, not falling, and their scores, rising.
    """

    def __init__(self, knots: Sequence[Knots]) -> None:
        super().__init__()
        most = max((len(x) for x, _ in knots), default=0)
        tables = [_padded(_table(x, y), most) for x, y in knots]
        empty = np.zeros((0, len(_NAMES), most))
        table = np.stack(tables) if tables else empty
        self.register_buffer("table", _float32(table.transpose(1, 0, 2)))
        # Behind the last knot of a column there are no more.
        last = np.array([len(x) for x, _ in knots])[:, None] <= np.arange(most)
        largest = torch.finfo(torch.float32).max
        edges = torch.where(torch.from_numpy(last), largest, self.table[0])
        self.register_buffer("edges", edges)
        self.has_atoms = bool(table[:, _NAMES.index("is_atom")].any())

    def atoms(self) -> list[list[float]]:
        """Return the values that are atoms, for every column."""
        x, is_atom = (self.table[_NAMES.index(name)] for name in ("x", "is_atom"))
        pairs = zip(x, is_atom, strict=True)
        return [values[atom > 0].tolist() for values, atom in pairs]

    def locate(self, x: Tensor) -> dict[str, Tensor]:
        """Return what is known of values, shape (..., d), each in the same shape.

        "y" are their scores, "log_slope" the logarithms of dy/dx; where "is_atom", the
        scores lie between "low" and "y", and "middle" stands for them.
        """
        x = x.float()
        flat = x.reshape(-1, x.shape[-1]).T.contiguous()
        index = torch.searchsorted(self.edges, flat, right=True) - 1
        index.clamp_(0, max(self.edges.shape[1] - 1, 0))
        found = self.table.gather(2, index.expand(len(_NAMES), *index.shape))
        knots = dict(
            zip(_NAMES, found.transpose(1, 2).unflatten(1, x.shape[:-1]), strict=True)
        )
        knots["is_atom"] = (knots["is_atom"] > 0) & (x == knots["x"])
        offset = torch.where(knots["is_atom"], 0.0, x - knots["x"]) * knots["slope"]
        # Beyond the ends, scores rise with logarithms, so that a value far out is
        # unlikely, and no more.
        beyond = (x < self.table[0, :, 0]) | (x > self.table[0, :, -1])
        growth = offset.abs().log1p()
        offset = torch.where(beyond, offset.sign() * growth, offset)
        knots["y"] = knots["y"] + offset
        knots["log_slope"] = knots["log_slope"] - torch.where(beyond, growth, 0.0)
        return knots

    def scores(self, x: Tensor) -> Tensor:
        """Return one score for every value; NaN of NaN."""
        knots = self.locate(x)
        return torch.where(knots["is_atom"], knots["middle"], knots["y"])

    def values(self, y: Tensor) -> Tensor:
        """Return the values of scores, shape (..., d), within the range of the map."""
        x, knots = self.table[0].double(), self.table[1].double()
        flat = y.reshape(-1, y.shape[-1]).T.contiguous().double()
        index = torch.searchsorted(knots, flat, right=True).clamp(1, knots.shape[1] - 1)
        x1, y1 = x.gather(1, index), knots.gather(1, index)
        x0, y0 = x.gather(1, index - 1), knots.gather(1, index - 1)
        share = ((flat - y0) / _not_zero(y1 - y0)).clamp(0, 1)
        return (x0 + share * (x1 - x0)).T.reshape(y.shape).to(y.dtype)


_NAMES = ("x", "y", "slope", "log_slope", "is_atom", "low", "middle")


def _table(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is to be known at every knot, and of the values that follow it."""
    with np.errstate(divide="ignore"):
        slope = np.diff(y) / np.diff(x)
    whole = (y[-1] - y[0]) / (x[-1] - x[0]) if x[-1] > x[0] else 1.0
    # Behind the first knot of an atom there is only the second; before it, however,
    # and behind the last knot, scores go on as those of the whole column.
    slope = np.append(slope, slope[-1] if len(slope) else whole)
    slope[np.isinf(slope)] = whole
    is_atom = np.append(False, np.diff(x) == 0)
    low = np.append(y[0], y[:-1])
    middle = np.where(is_atom, ndtri((ndtr(y) + ndtr(low)) / 2), y)
    return np.stack([x, y, slope, np.log(slope), is_atom, low, middle])


def _padded(table: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])), mode="edge")


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


class NormalScores:
    """Values x whose scores y(x) are normal, within the range of the map.

    Parameters
    ----------
    loc : Tensor of shape (..., d)
        Of scores.
    log_scale : Tensor broadcastable to (..., d)
    score_map : ScoreMap
        Of d columns.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, score_map: ScoreMap) -> None:
        self.loc, self.log_scale, self.map = loc, log_scale, score_map

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability of atoms, log density of others, in nats, shape (..., d)."""
        knots, inverse = self.map.locate(x), (-self.log_scale).exp()
        z = (knots["y"] - self.loc) * inverse
        log_p = -0.5 * (z.square() + LOG_2PI) - self.log_scale + knots["log_slope"]
        if not self.map.has_atoms:
            return log_p
        is_atom = knots["is_atom"]
        low = torch.where(is_atom, knots["low"], knots["y"] - 1)
        atom = log_interval((low - self.loc) * inverse, z)
        return torch.where(is_atom, atom, log_p)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        return self.log_prob_by_feature(x).sum(-1)

    @property
    def mean(self) -> Tensor:
        """Expectation, shape (..., d)."""
        return self._mean().to(self.loc.dtype)

    @property
    def variance(self) -> Tensor:
        """Variance of every component, shape (..., d)."""
        return self._by_rows(self._second_moments, self._mean()).to(self.loc.dtype)

    def _mean(self) -> Tensor:
        return self._by_rows(self._first_moments)

    def _by_rows(self, moments: Callable[..., Tensor], *about: Tensor) -> Tensor:
        """Return moments in float64, of as many rows at a time as a cache holds."""
        loc, scale = self.loc.double(), self.log_scale.double().exp()
        n_values = max(1, self.map.table[0].numel())
        parts = loc, scale.expand_as(loc), *about
        rows = [t.reshape(-1, loc.shape[-1]) for t in parts]
        if torch.compiler.is_compiling():  # for any number of rows: in one block
            return moments(*rows).reshape(loc.shape)
        blocks = [t.split(max(1, _MOST_VALUES // n_values)) for t in rows]
        found = [moments(*block) for block in zip(*blocks, strict=True)]
        return torch.cat(found).reshape(loc.shape)

    def _first_moments(self, loc: Tensor, scale: Tensor) -> Tensor:
        """Return E[x], in closed form from piece to piece: x = a + b y."""
        x, y = self.map.table[0].double(), self.map.table[1].double()
        b = x.diff(dim=-1) / _not_zero(y.diff(dim=-1))
        a = x[:, :-1] - b * y[:, :-1]
        _, pdf, mass = self._at_knots(loc, scale)
        of_a, of_b = (torch.einsum("ndk,dk->nd", mass, c) for c in (a, b))
        of_scale = -torch.einsum("ndk,dk->nd", pdf.diff(dim=-1), b)
        total = of_a + loc * of_b + scale * of_scale
        return self._of_range(total, mass.sum(-1), self.map.values(loc))

    def _second_moments(self, loc: Tensor, scale: Tensor, centre: Tensor) -> Tensor:
        """Return E[(x - centre)^2], from piece to piece: x - centre = a + b z."""
        x, y = self.map.table[0].double(), self.map.table[1].double()
        slope = x.diff(dim=-1) / _not_zero(y.diff(dim=-1))
        a = x[:, :-1] - centre.unsqueeze(-1)
        a = a + slope * (loc.unsqueeze(-1) - y[:, :-1])
        b = slope * scale.unsqueeze(-1)
        z, pdf, mass = self._at_knots(loc, scale)
        first, second = -pdf.diff(dim=-1), mass - (z * pdf).diff(dim=-1)
        total = a.square() * mass + 2 * a * b * first + b.square() * second
        end = (self.map.values(loc) - centre).square()
        return self._of_range(total.sum(-1), mass.sum(-1), end)

    def _at_knots(self, loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return standardised scores and densities of knots, and masses of pieces."""
        y = self.map.table[1].double()
        z = (y - loc.unsqueeze(-1)) / scale.unsqueeze(-1)  # (n, d, n_knots)
        pdf = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
        return z, pdf, torch.special.ndtr(z).diff(dim=-1)

    @staticmethod
    def _of_range(total: Tensor, mass: Tensor, end: Tensor) -> Tensor:
        """Return moments within the range; far outside, those of its end."""
        far = mass < _LEAST_MASS
        return torch.where(far, end, total / torch.where(far, 1.0, mass))

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row; draws stay within the range of the map."""
        loc, scale = self.loc.double(), self.log_scale.double().exp()
        y = self.map.table[1].double()
        low, high = (
            torch.special.ndtr((end - loc) / scale) for end in (y[:, 0], y[:, -1])
        )
        u = torch.empty_like(self.loc).uniform_(generator=generator).double()
        scores = loc + scale * torch.special.ndtri(low + u * (high - low))
        far = high - low < _LEAST_MASS
        return self.map.values(torch.where(far, loc, scores)).to(self.loc.dtype)

    def squared_errors(self, x: Tensor) -> Tensor:
        """Return squared errors of scores, expected ones of atoms: (..., d)."""
        knots = self.map.locate(x)
        low, high = knots["low"] - self.loc, knots["y"] - self.loc
        error, scale = high.square(), self.log_scale.exp()
        if not self.map.has_atoms:
            return error
        # Of a normal variable that is known to lie in an interval.
        u, v = low / scale, high / scale
        edges = [z * (-0.5 * (z.square() + LOG_2PI)).exp() for z in (u, v)]
        share = (edges[0] - edges[1]) / log_interval(u, v.maximum(u)).exp()
        expected = scale.square() * (1 + share)
        nearest = torch.where(low > 0, low, high.clamp(max=0)).square()
        usable = torch.isfinite(expected) & (expected >= nearest)
        expected = torch.where(usable, expected, nearest)
        return torch.where(knots["is_atom"], expected, error)

    def information_coordinates(self) -> Tensor:
        """Return numbers whose squared slopes sum to Fisher's information: (..., d)."""
        return self.loc * (-self.log_scale).exp()


def _not_zero(lengths: Tensor) -> Tensor:
    """Return lengths of pieces to divide by; those of padding are 0."""
    return torch.where(lengths > 0, lengths, 1.0)


def log_interval(low: Tensor, high: Tensor) -> Tensor:
    """Logarithm of the standard normal probability of (low, high), elementwise."""
    mirrored = low + high > 0  # the lower tail keeps its digits
    low, high = torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
    log_high = log_ndtr(high)
    log_ratio = log_ndtr(low) - log_high
    return log_high + torch.log(-torch.expm1(log_ratio.clamp(max=-_LEAST_LOG_RATIO)))


def log_ndtr(x: Tensor) -> Tensor:
    """Logarithm of the standard normal distribution function, elementwise.

    In float32, slopes of that of torch are wrong below -1000, and NaN far below.
    """
    far = x.clamp(max=_TAIL)
    u = far.square().reciprocal()
    series = -u * (1 - u * (3 - u * (15 - u * 105)))
    tail = -0.5 * (far.square() + LOG_2PI) - (-far).log() + series.log1p()
    return torch.where(x < _TAIL, tail, torch.special.log_ndtr(x.clamp(min=_TAIL)))
