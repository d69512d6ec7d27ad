"""Checks of modules of the user's own, and batches of one row for them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# What the last operation of a module is called by autograd, and by people.
_CONFINING = {
    "Abs": "abs",
    "Atan": "atan",
    "Celu": "CELU",
    "Clamp": "clamp",
    "ClampMax": "clamp",
    "ClampMin": "clamp",
    "Cos": "cos",
    "Elu": "ELU",
    "Erf": "erf",
    "Exp": "exp",
    "Gelu": "GELU",
    "Hardsigmoid": "Hardsigmoid",
    "Hardswish": "Hardswish",
    "Hardtanh": "Hardtanh",
    "LogSigmoid": "LogSigmoid",
    "LogSoftmax": "LogSoftmax",
    "Mish": "Mish",
    "Relu": "ReLU",
    "Sigmoid": "Sigmoid",
    "Silu": "SiLU",
    "Sin": "sin",
    "Softmax": "Softmax",
    "Softplus": "Softplus",
    "Sqrt": "sqrt",
    "Tanh": "Tanh",
    "Threshold": "Threshold",
}
# Operations that confine nothing: shapes, and arithmetic with constants.
_PASSED_OVER = (
    *("View", "UnsafeView", "ReshapeAlias", "Clone", "Permute", "Transpose", "T"),
    *("Unsqueeze", "Squeeze", "Expand", "Slice", "AsStrided", "ToCopy", "Alias"),
    *("Add", "Sub", "Mul", "Div", "Neg", "Rsub"),
)


def adopt(
    module: nn.Module, owner: str, name: str, n_in: int, n_out: int, images: Any = None
) -> nn.Module:
    """Check the output of a module for two rows, and make batches of one row possible.

    Parameters
    ----------
    module : nn.Module
        Changed in place.
    owner : str
        The network whose module it is, for error messages.
    name : {"encoder", "decoder"}
    n_in, n_out : int
        Numbers of values for a row.
    images : tuple of int, optional
        The shape that the user's module sees a row in.

    Returns
    -------
    module : nn.Module

    Raises
    ------
    TypeError
        If it returns anything but a tensor, has been traced, or computes in another
        type than float32.
    ValueError
        If the tensor has another shape.
    """
    _check_kind(module, owner, name)
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(_zeros(n_in))
        shape = tuple(out.shape) if isinstance(out, Tensor) else None
    except RuntimeError as error:
        shape = str(error).splitlines()[0]
    module.train(training)
    _allow_single_rows(module)
    if shape == (2, n_out):
        return module
    if shape is None:
        raise TypeError(_wrong_type(out, owner, name, n_out))
    sizes = ", ".join(map(str, images or (n_in,)))
    flatten = " Begin with nn.Flatten() to be given rows." if images else ""
    raise ValueError(
        f"The {name} of {owner} must map (n, {sizes}) to (n, {n_out}), but for "
        f"an input of shape (2, {sizes}) it gave {shape}. Build it with the sizes that "
        f"the callable form {name}(n_in, n_out) is given.{flatten}"
    )


def confining_end(module: nn.Module, n_in: int) -> str | None:
    """Name the last operation of a module if it keeps outputs within an interval."""
    training = module.training
    module.eval()
    with torch.enable_grad():
        # A product, since the module may change its input in place.
        node = module(_zeros(n_in).requires_grad_() * 1.0).grad_fn
    module.train(training)
    return _confining_operation(node)


def _confining_operation(node: Any) -> str | None:
    """Name the last operation that confines; of joined parts, all must be confined."""
    kind = node.name().rpartition("::")[2].rstrip("0123456789")
    kind = kind.removesuffix("Backward")
    if kind in _CONFINING:
        return _CONFINING[kind]
    inputs = [before for before, _ in node.next_functions if before is not None]
    if kind not in ("Cat", "Stack") and (kind not in _PASSED_OVER or len(inputs) != 1):
        return None
    ends = [_confining_operation(before) for before in inputs]
    return ends[0] if all(ends) else None


def _check_kind(module: nn.Module, owner: str, name: str) -> None:
    """Raise TypeError for a module that cannot be trained in float32."""
    if any(isinstance(m, torch.jit.TopLevelTracedModule) for m in module.modules()):
        raise TypeError(
            f"The {name} of {owner} has been traced by torch.jit.trace, and cannot be "
            "switched between training and evaluation. Pass the module itself."
        )
    tensors = *module.parameters(), *module.buffers()
    types = {t.dtype for t in tensors if t.dtype.is_floating_point}
    if types - {torch.float32}:
        raise TypeError(
            f"The {name} of {owner} must have float32 parameters, but has "
            f"{min(map(str, types - {torch.float32}))}. Call its method float()."
        )


class SingleRowMixin:
    """Batch normalisation that takes its averages where a batch has no variance.

    torch's own raises an error for one value in each channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised batch."""
        alone = self.training and x.numel() == x.shape[1]
        if not alone or self.running_mean is None:
            return super().forward(x)
        averages = self.running_mean.clone(), self.running_var.clone()
        return F.batch_norm(x, *averages, self.weight, self.bias, False, 0.0, self.eps)


class SingleRowBatchNorm1d(SingleRowMixin, nn.BatchNorm1d):
    """As `nn.BatchNorm1d`, also of one row."""


class SingleRowBatchNorm2d(SingleRowMixin, nn.BatchNorm2d):
    """As `nn.BatchNorm2d`, also of one pixel."""


_SINGLE_ROW = {
    nn.BatchNorm1d: SingleRowBatchNorm1d,
    nn.BatchNorm2d: SingleRowBatchNorm2d,
}


def _allow_single_rows(module: nn.Module) -> None:
    for layer in module.modules():
        layer.__class__ = _SINGLE_ROW.get(type(layer), type(layer))


def _zeros(n_in: int) -> Tensor:
    return torch.zeros((2, n_in), dtype=torch.float32, device="cpu")


def _wrong_type(out: Any, owner: str, name: str, n_out: int) -> str:
    inside = ""
    if isinstance(out, tuple | list):
        inside = f" of {len(out)}"
    remedy = "Return the output for the mean alone."
    if name == "encoder":
        remedy = (
            "Return what the posterior reads: for the diagonal one, torch.cat([mean, "
            "log_scale], dim=1) with the logarithm of the standard deviation (half "
            "the log variance); draws are taken from it elsewhere."
        )
    return (
        f"The {name} of {owner} must return one tensor of shape (n, {n_out}), but it "
        f"returns a {type(out).__name__}{inside}. {remedy}"
    )
