"""What all loaders of published images share: where to look, what to check."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPException
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.utils import Bunch

from skvae._utils.validation import check_boolean, check_choice

VARIABLE = "SKVAE_DATA_HOME"

Rows = tuple[NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True)
class PublishedImages:
    """A published set of labelled images.

    Attributes
    ----------
    name : str
    loader : str
        The function that users call.
    folders : tuple of str
        Where its files may lie, relative to the data home.
    files : dict of str
        What to say of the files of each part.
    n_images : dict of int
        Images of the parts "train" and "test".
    image_shape : tuple of int
    target_names : tuple of str
    checksums : dict of dict of str
        For each part, the sha256 of its pieces by name, as `digests` returns them.
    digests : callable
        Of rows and labels.
    read : callable
        Of a folder and the name of a part; returns rows, labels and the file they are
        from, or None if the folder does not have them.
    openml : tuple (name, version)
    description : str
    """

    name: str
    loader: str
    folders: tuple[str, ...]
    files: dict[str, str]
    n_images: dict[str, int]
    image_shape: tuple[int, ...]
    target_names: tuple[str, ...]
    checksums: dict[str, dict[str, str]]
    digests: Callable[[NDArray[np.uint8], NDArray[np.int64]], dict[str, str]]
    read: Callable[[Path, str], tuple[*Rows, Path] | None]
    openml: tuple[str, int]
    description: str


def load_published(
    images: PublishedImages,
    subset: str,
    data_home: str | PathLike[str] | None,
    download_if_missing: bool,
    return_X_y: bool,
) -> Bunch | Rows:
    """Return the images of one or both parts, from files or else from OpenML."""
    check_choice(images.loader, "subset", subset, ("train", "test", "all"))
    check_boolean(images.loader, "download_if_missing", download_if_missing)
    check_boolean(images.loader, "return_X_y", return_X_y)
    home = find_data_home(data_home)
    names = ("train", "test") if subset == "all" else (subset,)
    parts = {name: _read(images, home, name) for name in names}
    missing = [name for name in names if parts[name] is None]
    if missing and not download_if_missing:
        why = "download_if_missing=False"
        raise FileNotFoundError(_advice(images, home, missing, why))
    if missing:
        parts |= _fetch(images, home, missing)
    X = np.concatenate([parts[name][0] for name in names])
    y = np.concatenate([parts[name][1] for name in names])
    return (X, y) if return_X_y else _bunch(images, X, y)


def find_data_home(data_home: str | PathLike[str] | None) -> Path:
    """Return the folder of data: as given, or by variable, or that of scikit-learn."""
    given = data_home if data_home is not None else os.environ.get(VARIABLE)
    return Path(given or datasets.get_data_home()).expanduser()


def sha256_of(array: NDArray[Any]) -> str:
    """Hex digest of an array's bytes."""
    return sha256(np.ascontiguousarray(array)).hexdigest()


def _read(images: PublishedImages, home: Path, part: str) -> Rows | None:
    for folder in (*(home / name for name in images.folders), home):
        found = images.read(folder, part)
        if found is not None:
            X, y, path = found
            again = f"Get {path} again, or pass another data_home."
            return _checked(images, part, X, y, str(path), again)
    return None


def _fetch(images: PublishedImages, home: Path, parts: list[str]) -> dict[str, Rows]:
    name, version = images.openml
    has_pandas = importlib.util.find_spec("pandas") is not None
    try:
        X, y = datasets.fetch_openml(
            name,
            version=version,
            data_home=str(home),
            as_frame=False,
            return_X_y=True,
            parser="pandas" if has_pandas else "liac-arff",
        )
    except (OSError, HTTPException, ValueError) as error:
        why = f"OpenML did not answer: {type(error).__name__}: {error}"
        raise FileNotFoundError(_advice(images, home, parts, why)) from error
    origin = f"version {version} of OpenML's {name!r}"
    again = f"Delete {home / 'openml'} to fetch it anew. {_where(images, home, parts)}"
    n_train, n_test = images.n_images["train"], images.n_images["test"]
    if len(X) != n_train + n_test:
        raise ValueError(
            f"{images.name} has {n_train + n_test} images, but {origin} has {len(X)}. "
            f"{again}"
        )
    X, y = _exactly(X, np.uint8, origin, again), _exactly(y, np.int64, origin, again)
    rows = {"train": slice(n_train), "test": slice(n_train, None)}
    return {
        part: _checked(images, part, X[rows[part]], y[rows[part]], origin, again)
        for part in parts
    }


def _exactly(values: Any, dtype: Any, origin: str, remedy: str) -> NDArray[Any]:
    """Return integers in a narrower type; raise ValueError for any other values."""
    array = np.asarray(values)
    try:
        numbers = array if array.dtype.kind in "biuf" else array.astype(np.float64)
        with np.errstate(invalid="ignore"):
            exact = numbers.astype(dtype)
        same = np.array_equal(exact, numbers)
    except (TypeError, ValueError):
        same = False
    if not same:
        kind = np.dtype(dtype)
        raise ValueError(
            f"{origin} must hold values of type {kind}, but holds others, of type "
            f"{array.dtype}. {remedy}"
        )
    return exact


def _checked(
    images: PublishedImages,
    part: str,
    X: NDArray[np.uint8],
    y: NDArray[np.int64],
    origin: str,
    remedy: str,
) -> Rows:
    _check_form(images, part, X, y, origin, remedy)
    for name, digest in images.digests(X, y).items():
        expected = images.checksums[part][name]
        if digest != expected:
            raise ValueError(
                f"{origin} is not the {part} part of {images.name} as published: the "
                f"sha256 of its {name} must be {expected}, but is {digest}. {remedy}"
            )
    return X, y


def _check_form(
    images: PublishedImages,
    part: str,
    X: NDArray[Any],
    y: NDArray[Any],
    origin: str,
    remedy: str,
) -> None:
    """Raise ValueError unless rows and labels are what digests are taken of."""
    n, n_classes = images.n_images[part], len(images.target_names)
    forms = (X.shape, X.dtype, y.shape, y.dtype)
    expected = ((n, math.prod(images.image_shape)), np.uint8, (n,), np.int64)
    if forms != expected or not ((y >= 0) & (y < n_classes)).all():
        labels = f"{y.min(initial=0)} to {y.max(initial=0)}" if len(y) else "none"
        raise ValueError(
            f"{origin} is not the {part} part of {images.name} as published: it must "
            f"have {n} images of {expected[0][1]} values and as many labels from 0 to "
            f"{n_classes - 1}, but has {X.shape} of {X.dtype} and {y.shape} labels "
            f"({labels}). {remedy}"
        )


def _bunch(images: PublishedImages, X: NDArray[Any], y: NDArray[Any]) -> Bunch:
    return Bunch(
        data=X,
        target=y,
        images=X.reshape(len(X), *images.image_shape),
        image_shape=images.image_shape,
        target_names=np.array(images.target_names),
        DESCR=images.description,
    )


def _advice(images: PublishedImages, home: Path, parts: list[str], why: str) -> str:
    return (
        f"{images.name} was not found in {home}, and not fetched ({why}). "
        f"{_where(images, home, parts)}"
    )


def _where(images: PublishedImages, home: Path, parts: list[str]) -> str:
    files = "; ".join(images.files[part] for part in parts)
    return (
        f"To use files, put these into {home / images.folders[0]}: {files}. Another "
        f"folder can be given as data_home or in the variable {VARIABLE}."
    )
