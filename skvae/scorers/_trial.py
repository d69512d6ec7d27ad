"""One fitted estimator on held-out rows, as the arguments of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from skvae._utils.arrays import FloatArray, as_rows, at_most, column_names
from skvae._utils.columns import is_frame, names_of
from skvae._utils.random import draw_seed, purpose_seed
from skvae.metrics import FeatureMap
from skvae.pipeline._abilities import (
    as_fitted,
    check_divisor,
    last_step,
    log_likelihood,
)
from skvae.pipeline._scores import check_scores
from skvae.pipeline._tables import features_for, table_of, with_gaps_of
from skvae.scorers._reconstructions import reconstruction_errors
from skvae.scorers._reference import (
    Reference,
    ReferenceCache,
    feature_rows,
    to_array,
)
from skvae.scorers._samples import draw_samples
from skvae.scorers._train_rows import rows_of_fit, training_rows
from skvae.scorers._units import warn_of_units


class Trial:
    """The arguments of metrics, each computed once and only if a metric takes it.

    Parameters
    ----------
    estimator : object
        Fitted.
    X : array-like
        Held-out rows, as the estimator takes them.
    parameters : mapping
        Those of `make_sample_scorer`.
    references : ReferenceCache
    features : FeatureMap or None
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        parameters: Mapping[str, Any],
        references: ReferenceCache,
        features: FeatureMap | None,
    ) -> None:
        self.estimator, self.X = estimator, as_fitted(estimator, X)
        self._rows = _dense(self.X)
        self._parameters, self._references = parameters, references
        self._features = self._features_of_rows if features is None else features
        self._seed = draw_seed(parameters["random_state"])

    @cached_property
    def reference(self) -> Reference:
        """Held-out rows, and what is kept of them."""
        return self._references.get(self._rows, self._features, "X")

    @property
    def real(self) -> FloatArray:
        """Held-out rows after the feature map."""
        return self.reference.rows

    @cached_property
    def generated(self) -> FloatArray:
        """Samples after the feature map."""
        n, mean = self._parameters["n_samples"], self._parameters["mean"]
        n = len(self._rows) if n == "same" else n
        seed = self.seed_for("sample")
        samples = draw_samples(self.X, self.estimator, n, mean, seed)
        rows = feature_rows(samples, self._features, "the samples", names_of(self.X))
        return with_gaps_of(self.real, rows, self._features, self.seed_for("gaps"))

    @cached_property
    def train(self) -> FloatArray:
        """Rows that the estimator was trained on, after the feature map."""
        own = rows_of_fit(self.estimator)
        train = self._parameters["X_train"] if own is None else own
        train = _dense(as_fitted(self.estimator, train, "X_train"))
        if own is None:
            train = training_rows(train, self._rows)
        return self._references.get(train, self._features, "X_train").rows

    @property
    def equal_real(self) -> FloatArray:
        """As many of the held-out rows as there are samples, if there are more."""
        return self._equal[0]

    @property
    def equal_generated(self) -> FloatArray:
        """As many of the samples as there are held-out rows, if there are more."""
        return self._equal[1]

    @cached_property
    def _equal(self) -> tuple[FloatArray, FloatArray]:
        n = min(len(self.real), len(self.generated))
        rng = np.random.RandomState(self.seed_for("equal"))
        return at_most(self.real, n, rng), at_most(self.generated, n, rng)

    @cached_property
    def log_likelihoods(self) -> FloatArray:
        """Log-likelihood of each held-out row, in nats."""
        return self._log_likelihoods(**self._likelihood_options)

    @cached_property
    def evidence_lower_bounds(self) -> FloatArray:
        """The same with one importance sample."""
        options = {**self._likelihood_options, "n_importance_samples": 1}
        return self._log_likelihoods(**options)

    def _log_likelihoods(self, **options: Any) -> FloatArray:
        values = log_likelihood(self.estimator, self.X, **options)
        return check_scores(type(last_step(self.estimator)).__name__, values)

    @property
    def _likelihood_options(self) -> Mapping[str, Any]:
        return (self._parameters["metric_params"] or {}).get("log_likelihood", {})

    @property
    def nll(self) -> float:
        """Mean negative log-likelihood of held-out rows, in nats, to be rescaled."""
        options = (self._parameters["metric_params"] or {}).get("bits_per_dimension")
        check_divisor(self.estimator, (options or {}).get("divisor", 1))
        return -float(np.mean(self.log_likelihoods))

    @property
    def n_features(self) -> int:
        """Number of features of X."""
        return int(np.prod(self._rows.shape[1:]))

    @cached_property
    def squared_errors(self) -> FloatArray:
        """Mean squared error of the reconstruction of each held-out row."""
        table = table_of(self._features_of_rows)
        if table is None and len(self._rows.shape) == 2:
            warn_of_units(as_rows(self._rows, "X"), column_names(self.X), "X")
        return reconstruction_errors(self.estimator, self.X, table, "X")

    @cached_property
    def _features_of_rows(self) -> FeatureMap | None:
        """Features of held-out rows that are a table; None of numbers."""
        train = self._parameters["X_train"]
        others = {} if train is None else {"X_train": train}
        return features_for([self.estimator], None, X=self._rows, **others)

    def seed_for(self, purpose: str) -> int:
        """Return the seed of one purpose: the same whatever else is computed."""
        return purpose_seed(self._seed, purpose)


def _dense(X: Any) -> Any:
    """Return rows as a frame, if they are one, or as an array."""
    return X if is_frame(X) else to_array(X)
