"""The observation model of a table: likelihoods by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from skvae._distributions.columns import Columns
from skvae._utils.float32 import Frame
from skvae._utils.rows import DataSummary
from skvae._utils.selection import ColumnsOfRows, selected
from skvae.likelihoods._noise import Errors
from skvae.likelihoods.base import Likelihood
from skvae.likelihoods.categorical import CategoricalLikelihood
from skvae.likelihoods.normal_scores import NormalScoresLikelihood
from skvae.likelihoods.scaled import ScaledLikelihood


class ErrorsByPart:
    """Sums of errors by likelihood, each in its own unit.

    Parameters
    ----------
    by_part : dict of int to Errors
    """

    def __init__(self, by_part: dict[int, Errors]) -> None:
        self.by_part = by_part

    @property
    def is_empty(self) -> bool:
        """Whether there are no errors at all."""
        return all(errors.is_empty for errors in self.by_part.values())

    def pooled(self, held_out: ErrorsByPart, n_held_out: int) -> ErrorsByPart:
        """Return sums by part; see `Errors.pooled`."""
        return ErrorsByPart(
            {
                i: errors.pooled(held_out.by_part[i], n_held_out)
                for i, errors in self.by_part.items()
            }
        )


class ColumnLikelihood(Likelihood):
    """Likelihoods by columns, as `ColumnTransformer` has transformers by columns.

    Estimators take it by themselves for data frames: it is for those who want another
    likelihood for some of the columns.

    Parameters
    ----------
    likelihoods : sequence of (name, likelihood, columns), default=()
        Columns are a name or a position, a list or slice of these, a mask, or a
        callable that is given the frame, such as
        ``make_column_selector(dtype_include="float")``. The name of an entry serves
        `set_params` and searches.
    remainder : "auto" or Likelihood, default="auto"
        Likelihood of the numbers in all other columns, by default
        `NormalScoresLikelihood`. Ordered categories have that one in any case, and all
        other categories `CategoricalLikelihood`.

    Attributes
    ----------
    likelihoods_ : list of (name, likelihood, columns)
        The built likelihoods, "numbers" and "categories" of the remainder among them,
        with the names of their columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae import VAE
    >>> from skvae.likelihoods import ColumnLikelihood, GaussianLikelihood
    >>> X = pd.DataFrame({"age": [30, 50, 40], "sex": ["f", "m", "f"]})
    >>> likelihood = ColumnLikelihood([("normal", GaussianLikelihood(), ["age"])])
    >>> vae = VAE(1, likelihood=likelihood, max_epochs=2, random_state=0).fit(X)
    >>> [(name, columns) for name, _, columns in vae.likelihood_.likelihoods_]
    [('normal', ['age']), ('categories', ['sex'])]
    """

    def __init__(
        self,
        likelihoods: Sequence[tuple[str, Any, Any]] = (),
        remainder: Any = "auto",
    ) -> None:
        super().__init__()
        self.likelihoods = likelihoods
        self.remainder = remainder

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; a parameter is not trained, its clone is."""
        if name == "remainder":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with `deep` also the entries and theirs, by name."""
        params = super().get_params(deep)
        for name, part, _ in self.likelihoods if deep else ():
            params[name] = part
            params |= {f"{name}__{key}": v for key, v in part.get_params().items()}
        return params

    def set_params(self, **params: Any) -> ColumnLikelihood:
        """Set parameters; the name of an entry replaces its likelihood."""
        self.likelihoods = params.pop("likelihoods", self.likelihoods)
        if any(name in params for name, *_ in self.likelihoods):
            self.likelihoods = [
                (name, params.pop(name, part), columns)
                for name, part, columns in self.likelihoods
            ]
        return super().set_params(**params)

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        is_sequence = isinstance(self.likelihoods, Sequence)
        for entry in self.likelihoods if is_sequence else [self.likelihoods]:
            if not isinstance(entry, Sequence) or len(entry) != 3:
                raise TypeError(
                    "The 'likelihoods' parameter of ColumnLikelihood must have entries "
                    f"(name, likelihood, columns). Got {entry!r} instead."
                )
            self._check_part(f"likelihood {entry[0]!r}", entry[1])
        names = [name for name, *_ in self.likelihoods]
        for name in names:
            is_free = isinstance(name, str) and name not in ("likelihoods", "remainder")
            if not is_free or "__" in name or names.count(name) > 1:
                raise ValueError(
                    "The entries of ColumnLikelihood must have different names, which "
                    "are strings without '__' and no parameters of its own. Got "
                    f"{name!r}, {names.count(name)} times."
                )
        if self.remainder != "auto":
            self._check_part("remainder", self.remainder)

    @staticmethod
    def _check_part(name: str, part: Any) -> None:
        if not isinstance(part, Likelihood) or isinstance(part, ColumnLikelihood):
            raise TypeError(
                f"The {name} of ColumnLikelihood must be a likelihood of columns, such "
                f"as GaussianLikelihood(). Got {part!r} instead."
            )

    def look(self, X: np.ndarray, columns: ColumnsOfRows | None = None) -> None:
        """Share the columns out, and let every likelihood see its own."""
        self.check_parameters()
        columns = columns or ColumnsOfRows.of_array(X.shape[1])
        entries = [(n, v, selected(c, columns, n)) for n, v, c in self.likelihoods]
        _check_entries(entries, columns)
        parts = [part for part in entries if part[2]] + self._rest(entries, columns)
        self.parts = nn.ModuleList([clone(part) for _, part, _ in parts])
        self.places = [np.array(place) for _, _, place in parts]
        for part, place in zip(self.parts, self.places, strict=True):
            part.check_support(X[:, place])
            part.look(X[:, place], columns.of(place))
        self._described = [
            (name, [columns.names[j] for j in place]) for name, _, place in parts
        ]

    def _rest(self, entries: list[Any], columns: ColumnsOfRows) -> list[Any]:
        taken = {j for _, _, place in entries for j in place}
        left = [j for j in range(len(columns.names)) if j not in taken]
        by_scores = self.remainder == "auto"
        own = NormalScoresLikelihood()
        kinds = {
            "number": ("numbers", own if by_scores else self.remainder),
            "ordered": ("numbers" if by_scores else "ordered", own),
            "category": ("categories", CategoricalLikelihood()),
        }
        found: dict[str, Any] = {}
        for j in left:
            name, part = kinds[columns.kinds[j]]
            found.setdefault(name, (part, []))[1].append(j)
        return [(name, part, place) for name, (part, place) in found.items()]

    @property
    def is_nominal(self) -> bool:
        """Whether there are categories among the columns."""
        return any(part.is_nominal for part in getattr(self, "parts", ()))

    @property
    def likelihoods_(self) -> list[tuple[str, Likelihood, list[Any]]]:
        """The built likelihoods, by name, with the names of their columns."""
        pairs = zip(self._described, self.parts, strict=True)
        return [(name, part, columns) for (name, columns), part in pairs]

    def frame(self, summary: DataSummary) -> Frame:
        """Return the origins and units of all columns; see `Likelihood.frame`."""
        origin = np.zeros(summary.n_features)
        exponent = origin.astype(int)
        for part, place in zip(self.parts, self.places, strict=True):
            frame = part.frame(summary.of(place))
            origin[place], exponent[place] = frame.origin, frame.exponent
        return Frame(origin, exponent, np.float64)

    def build(self, summary: DataSummary) -> Likelihood:
        """Build all likelihoods; return self."""
        for i, (part, place) in enumerate(zip(self.parts, self.places, strict=True)):
            some = summary.of(place)
            part.build(some)
            scale = np.broadcast_to(part.encoder_scale(some), some.mean.shape)
            self._keep(f"mean_{i}", some.mean)
            self._keep(f"scale_{i}", np.maximum(scale, np.finfo(np.float32).tiny))
            self.register_buffer(f"place_{i}", torch.from_numpy(place))
        order = np.concatenate(self.places)
        self.register_buffer("back", torch.from_numpy(order.argsort()))
        return self

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values.astype(np.float32)))

    def n_outputs(self, n_features: int) -> int:
        """Return the number of decoder outputs of all columns."""
        return sum(self._numbers_of("n_outputs"))

    def n_inputs(self, n_features: int) -> int:
        """Return the number of encoder inputs of all columns."""
        return sum(self._numbers_of("n_inputs"))

    def _numbers_of(self, method: str) -> list[int]:
        pairs = zip(self.parts, self.places, strict=True)
        return [getattr(part, method)(len(place)) for part, place in pairs]

    def forward(self, h: Tensor) -> Columns:
        """Return p(x|z); see `Likelihood.forward`."""
        outputs = h.split(self._numbers_of("n_outputs"), -1)
        parts = [part(o) for part, o in zip(self.parts, outputs, strict=True)]
        return Columns(parts, self._places, self.back)

    def inputs(self, x: Tensor) -> Tensor:
        """Return the inputs of all columns, side by side; see `Likelihood.inputs`."""
        found = []
        for i, part in enumerate(self.parts):
            column = x[..., getattr(self, f"place_{i}")]
            if part.has_inputs:
                seen = part.inputs(column)
            else:
                seen = column - getattr(self, f"mean_{i}")
                seen = seen / getattr(self, f"scale_{i}")
            found.append(seen)
        return torch.cat(found, -1)

    def start_outputs(self, loadings: np.ndarray) -> np.ndarray:
        """Return what all columns begin with; see `Likelihood.start_outputs`."""
        found = []
        for part, own, n in zip(
            self.parts,
            self._split(loadings),
            self._numbers_of("n_outputs"),
            strict=True,
        ):
            rows = part.start_outputs(own)
            if rows is None:  # locations in units of the inputs, or not known
                rows = own if isinstance(part, ScaledLikelihood) else own[:0]
            found.append(np.pad(rows, ((0, n - len(rows)), (0, 0))))
        return np.concatenate(found)

    def start(self, errors: np.ndarray) -> None:
        """Begin with the noise that leaves these errors; see `Likelihood.start`."""
        for i, (part, own) in enumerate(
            zip(self.parts, self._split(errors), strict=True)
        ):
            scale = getattr(self, f"scale_{i}").double().numpy()
            part.start(own if part.has_inputs else own * np.square(scale))

    def calibrates(self, *, held_out: bool) -> bool:
        """Tell whether the noise of some columns is set after training."""
        return any(part.calibrates(held_out=held_out) for part in self.parts)

    def new_errors(self, *, held_out: bool) -> ErrorsByPart:
        """Return sums of errors for `calibrate`, of no rows as yet."""
        by_part = {
            i: part.new_errors(held_out=held_out)
            for i, part in enumerate(self.parts)
            if part.calibrates(held_out=held_out)
        }
        return ErrorsByPart(by_part)

    def add_errors(
        self, errors: ErrorsByPart, p: Any, x: Tensor, weight: Tensor
    ) -> None:
        """Add errors to sums of them; see `ScaledLikelihood.add_errors`."""
        for i, own in errors.by_part.items():
            column = x[..., getattr(self, f"place_{i}")]
            self.parts[i].add_errors(own, p.parts[i], column, weight)

    def calibrate(self, errors: ErrorsByPart) -> None:
        """Set the noise to the optimum for sums of errors."""
        for i, own in errors.by_part.items():
            if not own.is_empty:
                self.parts[i].calibrate(own)

    def forget_calibration(self) -> None:
        """Go back to the noise that has been learned."""
        for part in self.parts:
            part.forget_calibration()

    def _split(self, inputs: np.ndarray) -> list[np.ndarray]:
        return np.split(inputs, np.cumsum(self._numbers_of("n_inputs"))[:-1])

    @property
    def _places(self) -> list[Tensor]:
        return [getattr(self, f"place_{i}") for i in range(len(self.parts))]

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if columns leave the supports of their likelihoods."""
        parts, places = getattr(self, "parts", ()), getattr(self, "places", ())
        for part, place in zip(parts, places, strict=True):
            part.check_support(X[:, place])

    def monitor(self) -> dict[str, float]:
        """Return what all likelihoods record."""
        return {k: v for part in self.parts for k, v in part.monitor().items()}


def _check_entries(entries: list[Any], columns: ColumnsOfRows) -> None:
    """Raise ValueError for columns of two entries or of likelihoods not for them."""
    owners: dict[int, str] = {}
    for name, part, places in entries:
        for j in places:
            if j in owners:
                raise ValueError(
                    "Every column must have one likelihood, but column "
                    f"{columns.names[j]!r} is in {owners[j]!r} and in {name!r}, or "
                    "twice in one. Leave it out of one."
                )
            owners[j] = name
            if columns.kinds[j] == "category" and not part.is_nominal:
                raise ValueError(
                    f"{type(part).__name__} of {name!r} is for numbers, but column "
                    f"{columns.names[j]!r} holds categories. Take "
                    "CategoricalLikelihood(), or leave the column to the remainder."
                )
