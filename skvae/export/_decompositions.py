"""Functions of torch that ONNX or its runtime lack, by others that they have.

Tables need them: the normal scores of numbers, and moments of what has such scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SQRT_HALF, _ONE_OVER_SQRT_PI = 0.5**0.5, 0.5641895835477562869
_NEAR, _FAR, _FARTHEST = 0.46875, 4.0, 26.5  # beyond, erfc is below 1e-305

# Numerators and denominators, from the highest power down.
_ERF = (
    (
        *(1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2),
        *(3.77485237685302021e2, 3.20937758913846947e3),
    ),
    (
        *(1.0, 2.36012909523441209e1, 2.44024637934444173e2),
        *(1.28261652607737228e3, 2.84423683343917062e3),
    ),
)
_ERFC = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0),
        *(6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2),
        *(1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2),
        *(5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3),
        *(4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
_ERFC_FAR = (
    (
        *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1),
        *(1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    ),
    (
        *(1.0, 2.56852019228982242e0, 1.87295284992346725e0),
        *(5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3),
    ),
)


def ndtr(x: Tensor) -> Tensor:
    """Return the standard normal distribution function, to all digits of float64.

    onnxruntime has no error function in float64, and torch takes erfc for 1 - erf.

    References
    ----------
    Cody, "Rational Chebyshev Approximations for the Error Function", Mathematics of
    Computation 23, 1969.
    """
    y = _times(x.double().abs(), _SQRT_HALF)
    is_near, is_far = y <= _NEAR, y > _FAR
    # Not by clamp: passes of onnxscript lose what several of one value are made of.
    near = torch.where(is_near, y, _NEAR)
    far = torch.where(is_far, torch.where(y < _FARTHEST, y, _FARTHEST), _FAR)
    middle = torch.where(is_near, _NEAR, torch.where(is_far, _FAR, y))
    erf = near * _ratio(_ERF, near.square())
    of_middle = (-middle.square()).exp() * _ratio(_ERFC, middle)
    u = far.square().reciprocal()
    of_far = _plus(-u * _ratio(_ERFC_FAR, u), _ONE_OVER_SQRT_PI)
    of_far = (-far.square()).exp() * of_far / far
    erfc = torch.where(is_near, 1 - erf, torch.where(is_far, of_far, of_middle))
    return torch.where(x > 0, 1 - erfc / 2, erfc / 2).to(x.dtype)


def searchsorted(
    edges: Tensor, values: Tensor, *, right: bool = False, **options: Any
) -> Tensor:
    """Return where values belong in edges that rise, by how many of these are less."""
    values, edges = values.unsqueeze(-1), edges.unsqueeze(-2)
    return ((edges <= values) if right else (edges < values)).sum(-1)


def _ratio(polynomials: tuple[Sequence[float], Sequence[float]], x: Tensor) -> Tensor:
    above, below = (_polynomial(p, x) for p in polynomials)
    return above / below


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    total = torch.zeros_like(x)
    for c in coefficients:
        total = _plus(total * x, c)
    return total


def _plus(x: Tensor, number: float) -> Tensor:
    high, low = _halves(number)
    return x + high + low


def _times(x: Tensor, number: float) -> Tensor:
    high, low = _halves(number)
    return x * high + x * low


def _halves(number: float) -> tuple[float, float]:
    """Return two numbers of float32 for one of float64: torch writes these to ONNX."""
    high = float(np.float32(number))
    return high, float(np.float32(number - high))


_aten = torch.ops.aten
DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    _aten.special_ndtr.default: ndtr,
    _aten.searchsorted.Tensor: searchsorted,
}
