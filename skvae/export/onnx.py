"""Fitted autoencoders as files of ONNX."""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

import torch

from skvae._utils.files import write_whole
from skvae._version import __version__
from skvae.export._decompositions import DECOMPOSITIONS
from skvae.export._parts import NAMES
from skvae.export.programs import exported, quietly

__all__ = ["to_onnx"]


def to_onnx(
    estimator: Any,
    path: str | os.PathLike[str],
    part: str = "encoder",
    *,
    dtype: Any = None,
) -> None:
    """Write a part of a fitted estimator as a file of ONNX.

    Runtimes of ONNX need neither skvae nor torch. The file takes any number of rows, in
    the units, the shape and the type of X.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted; as in `to_exported_program`, of which also the notes hold.
    path : str or path-like
        Of the file, which is replaced as a whole or not at all.
    part : {"encoder", "decoder", "reconstruct"}, default="encoder"
        "encoder" has the input "X" and the output "Z", "decoder" the input "Z" and the
        output "X_decoded", "reconstruct" the input "X" and "X_reconstructed".
    dtype : NumPy type, default=None
        Type of the rows that "X" takes, as in `to_exported_program`.

    Raises
    ------
    ImportError
        If onnx or onnxscript is not installed, the extra "export".
    TypeError
        If `estimator` is no autoencoder of skvae, or `dtype` no type that X may have.
    ValueError
        If networks of the user's own cannot be traced, or have no form in ONNX.

    Notes
    -----
    Metadata of the file are "skvae_version", "estimator", "part", "n_components",
    "row_shape" and, of tables, "columns": names, kinds and categories, in JSON. In a
    table, a category is the place of its name there, from 0 on.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import onnxruntime
    >>> from skvae import VAE
    >>> from skvae.export import to_onnx
    >>> X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "encoder.onnx"
    ...     to_onnx(vae, path)
    ...     encoder = onnxruntime.InferenceSession(path)
    >>> (Z,) = encoder.run(None, {"X": X})
    >>> bool(np.allclose(Z, vae.transform(X), atol=1e-5))
    True
    """
    _check_packages()
    import onnx_ir  # of onnxscript

    program = exported("to_onnx", estimator, part, dtype)
    model = _converted(program, part)
    model.metadata_props.update(_metadata(estimator, part))
    write_whole(path, [onnx_ir.to_proto(model).SerializeToString()])


def _check_packages() -> None:
    for name in ("onnx", "onnxscript"):
        try:
            importlib.import_module(name)
        except ImportError:
            raise ImportError(
                f"to_onnx needs the package {name}, which is not installed. Use: pip "
                "install 'skvae[export]'"
            ) from None


def _converted(program: Any, part: str) -> Any:
    """Return a program as a model of ONNX."""
    with quietly():
        program = program.run_decompositions(DECOMPOSITIONS)
        try:
            found = torch.onnx.export(
                program,
                input_names=NAMES[part][:1],
                output_names=NAMES[part][1:],
                dynamo=True,
                verbose=False,
            )
        except Exception as error:
            raise ValueError(
                f"to_onnx finds no form in ONNX for an operation of the {part}: "
                f"{_cause(error)}. Use `to_exported_program`, which takes any of "
                "torch, or replace that operation in your network."
            ) from error
    return found.model


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _metadata(estimator: Any, part: str) -> dict[str, str]:
    about = {
        "skvae_version": __version__,
        "estimator": type(estimator).__name__,
        "part": part,
        "n_components": str(estimator.module_.n_components),
        "row_shape": json.dumps(list(estimator._row_shape)),
    }
    table = estimator._table
    if table is not None:
        columns = zip(table.names, table.kinds, table.levels, strict=True)
        described = [
            {"name": name, "kind": kind, "categories": levels and list(levels)}
            for name, kind, levels in columns
        ]
        about["columns"] = json.dumps(described, default=str)
    return about
