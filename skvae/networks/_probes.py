"""What modules of the user's own do with a few rows, before they are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skvae._utils.warn import warn

# By so much, as a share of the largest output, rounding may change an output.
_ROUNDING = 1e-3


def probe(module: nn.Module, owner: str, name: str, n_in: int) -> None:
    """Refuse a module that cannot be trained; warn of one that cannot be relied on.

    Parameters
    ----------
    module : nn.Module
        It maps (n, n_in) to a tensor of the right shape.
    owner : str
        The network whose module it is.
    name : {"encoder", "decoder"}
    n_in : int

    Raises
    ------
    TypeError
        If the output is not a dense tensor of floating-point numbers.
    ValueError
        If it is not finite, or cut off from what is to be trained.

    Warns
    -----
    UserWarning
        If, in evaluation, rows give other outputs when they are given again, or beside
        other rows.
    """
    training = module.training
    module.eval()
    subject = f"The {name} of {owner}"
    try:
        x = _ordinary_rows(n_in)
        _check_gradients(module, subject, x, name == "decoder")
        with torch.no_grad():
            _check_values(module, subject, x)
    finally:
        module.train(training)


def _ordinary_rows(n_in: int) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    shape = {"size": (4, n_in), "dtype": torch.float32, "device": "cpu"}
    return torch.randn(**shape, generator=generator)


def _check_gradients(
    module: nn.Module, subject: str, x: Tensor, through_input: bool
) -> None:
    with torch.enable_grad():
        # A product, since the module may change its input in place.
        out = module(x.clone().requires_grad_(through_input) * 1.0)
    if out.layout != torch.strided or not out.dtype.is_floating_point:
        kind = out.dtype if out.layout == torch.strided else out.layout
        raise TypeError(
            f"{subject} must return a dense tensor of floating-point numbers, but "
            f"returns one of {kind}. Return the output of the last layer as it is."
        )
    is_trained = any(p.requires_grad for p in module.parameters())
    if (through_input or is_trained) and not out.requires_grad:
        raise ValueError(
            f"{subject} cannot be trained: no gradient leads through its output. Leave "
            "out detach(), torch.no_grad(), and conversions to NumPy."
        )


def _check_values(module: nn.Module, subject: str, x: Tensor) -> None:
    first, again, fewer = module(x.clone()), module(x.clone()), module(x[:2].clone())
    if not first.isfinite().all():
        raise ValueError(
            f"{subject} must return finite numbers, but returns NaN or infinity for "
            "standard normal rows, which are what it will be given."
        )
    tolerance = _ROUNDING * float(first.abs().max())
    if _differ(first, again, tolerance):
        warn(
            f"{subject} returns other numbers when it is given the same rows again in "
            "evaluation. Codes, reconstructions and scores will not be reproducible: "
            "take nn.Dropout, which rests in evaluation, for F.dropout, and keep no "
            "count of calls."
        )
    elif _differ(first[:2], fewer, tolerance):
        warn(
            f"{subject} returns other numbers for a row beside other rows in "
            "evaluation. What a row gives will depend on the rows it is passed with: "
            "take nn.BatchNorm1d, which uses running averages, for statistics of the "
            "batch."
        )


def _differ(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return bool(((a - b).abs() > tolerance).any())
