"""Fitted autoencoders as programs of torch.export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skvae._utils.validation import check_choice
from skvae.estimators.base import BaseAutoencoder
from skvae.export._parts import NAMES, make_part

__all__ = ["to_exported_program"]

_TYPES = (
    *("float64", "float32", "float16", "bool"),
    *("uint8", "int8", "int16", "int32", "int64"),
)


def to_exported_program(
    estimator: Any, part: str = "encoder", *, dtype: Any = None
) -> Any:
    """Return a part of a fitted estimator as a program of ``torch.export``.

    The program needs torch, but neither skvae nor the classes of the networks. It takes
    any number of rows, on the CPU.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted. Of a `TwoStageVAE`, encoder and decoder are those of the first stage;
        those of codes are the parts of its ``second_stage_``.
    part : {"encoder", "decoder", "reconstruct"}, default="encoder"
        - "encoder" takes rows as X is, and gives what ``transform`` returns;
        - "decoder" takes codes in float32, and gives what ``inverse_transform`` does;
        - "reconstruct" takes rows, and gives what ``reconstruct`` returns.
    dtype : NumPy type, default=None
        Type of the rows that the program takes, such as ``"uint8"``. None is that in
        which the estimator gives rows back: float64 if X of ``fit`` had so many digits,
        else float32.

    Returns
    -------
    program : torch.export.ExportedProgram
        ``program.module()`` is called with a tensor of shape (n, n_features), or that
        of images as in ``fit``; ``torch.export.save`` writes it to a file.

    Raises
    ------
    TypeError
        If `estimator` is no autoencoder of skvae, or `dtype` no type that X may have.
    ValueError
        If networks of the user's own cannot be traced.

    Notes
    -----
    Centring, scaling and the origin of X are part of the program, and a missing value
    is NaN, as ever. A program raises no errors: of a row with an infinite value, or one
    beyond float32, its output is NaN, and values outside the support of the likelihood,
    which the estimator refuses, are encoded as they are.

    Rows of a table are numbers: a category is its place among those of ``fit``, from 0
    on, and numbers are as in X. What comes out is not rounded to the decimals of X.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skvae import VAE
    >>> from skvae.export import to_exported_program
    >>> X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> program = to_exported_program(vae)
    >>> Z = program.module()(torch.from_numpy(X))
    >>> bool(np.allclose(Z, vae.transform(X), atol=1e-6))
    True
    """
    return exported("to_exported_program", estimator, part, dtype)


def exported(owner: str, estimator: Any, part: str, dtype: Any) -> Any:
    """Return the program of `to_exported_program`, in whose name errors are raised."""
    if not isinstance(estimator, BaseAutoencoder):
        raise TypeError(
            f"{owner} needs a fitted autoencoder of skvae, such as VAE. Got "
            f"{estimator!r} instead. Of a pipeline, export the last step, and what "
            "comes before it by a tool of its own."
        )
    check_is_fitted(estimator)
    check_choice(owner, "part", part, tuple(NAMES))
    example = _example(owner, estimator, part, dtype)
    n_rows = torch.export.Dim("n_rows")
    with quietly(), torch.no_grad(), torch.autocast("cpu", enabled=False):
        module = make_part(estimator, part)
        try:
            return torch.export.export(
                module, (example,), dynamic_shapes=({0: n_rows},), strict=False
            )
        except Exception as error:
            raise ValueError(_not_traced(owner, estimator, part, error)) from error


def type_of_rows(owner: str, estimator: Any, dtype: Any) -> np.dtype:
    """Return the type of rows that a program takes; raise TypeError for others."""
    given = estimator.module_.frame.dtype if dtype is None else dtype
    try:
        name = np.dtype(given).name
    except TypeError:
        name = None
    if name not in _TYPES:
        raise TypeError(
            f"The 'dtype' parameter of {owner} must be None or one of "
            f"{', '.join(_TYPES)}. Got {dtype!r} instead."
        )
    return np.dtype(name)


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out what torch says to its own developers about its exporters."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel("ERROR")
        try:
            yield
        finally:
            logger.setLevel(level)


def _example(owner: str, estimator: Any, part: str, dtype: Any) -> torch.Tensor:
    """Return input of two or more rows; programs are traced, not computed."""
    dtype = type_of_rows(owner, estimator, dtype)
    if part == "decoder":
        shape, dtype = (estimator.module_.n_components,), np.dtype(np.float32)
    else:
        shape = estimator._row_shape
    return torch.from_numpy(np.zeros((3, *shape), dtype))


def _not_traced(owner: str, estimator: Any, part: str, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (
        f"{owner} cannot turn the {part} of {type(estimator).__name__} into a program: "
        f"{lines[0] if lines else type(error).__name__}. torch.export traces the "
        "networks: write those of your own without Python control flow that depends on "
        "values or on the number of rows."
    )
