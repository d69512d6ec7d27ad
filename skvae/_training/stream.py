"""A bounded sample of all rows that an estimator has been trained on."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.cache import content_key
from skvae._utils.random import Stream, child_seed, numpy_seed
from skvae._utils.rows import LOOKED_AT, Statistics, evenly_spaced, statistics_of
from skvae.densities._adapter import draw_labels, takes_labels

MOST_ROWS, _MOST_ENTRIES = 10_000, 2**24
FEW_ROWS = 32
_REMEMBERED = 10_000
_COPIED = 512  # rows at a time, so that those of a file need no second copy
_DRAWN = 2**16  # places at a time


@dataclass(frozen=True)
class RowSample:
    """A sample of the rows of a stream, each of which is in it with equal probability.

    It holds all rows of a short stream, and at most 10,000 rows, or 64 MB in float32,
    of a long one. A chunk that comes again, as in a second pass over the same files,
    is counted once.

    Attributes
    ----------
    rows : ndarray of shape (n, n_features) or None
        None if they have been left out of a pickle.
    n_seen : int
        Number of rows of the stream.
    varies : bool
        Whether not all of them are equal, as far as has been looked.
    chunks : tuple
        The keys of the last 10,000 chunks.
    labels : ndarray of shape (n,) or None
        Those of the rows, None where a row has none; None if no row has any.
    statistics : Statistics or None
        Those of all rows of the stream.
    start : Statistics or None
        Those with which the networks have begun.
    n_passes : float
        How often each of the rows has been trained on since then, on average.
    """

    rows: np.ndarray | None = None
    n_seen: int = 0
    varies: bool = False
    chunks: tuple[Hashable, ...] = ()
    labels: np.ndarray | None = None
    statistics: Statistics | None = None
    start: Statistics | None = None
    n_passes: float = 0.0

    @property
    def is_small(self) -> bool:
        """Whether a mean and a spread of these rows mean little."""
        return self.n_seen < FEW_ROWS or not self.varies

    def extended(
        self, X: np.ndarray, seed: int, labels: np.ndarray | None = None
    ) -> RowSample:
        """Return the sample of the stream with the rows of X at its end.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        seed : int
        labels : ndarray of shape (n_samples,), optional

        References
        ----------
        Vitter, "Random Sampling with a Reservoir", 1985, algorithm R.
        """
        some = evenly_spaced(X)
        key = (len(X), content_key(some))
        if labels is not None:
            key = (*key, content_key(labels[:: -(-len(X) // LOOKED_AT)]))
        # Few rows of few values may be equal to earlier ones by chance.
        if key in self.chunks and (len(X) >= FEW_ROWS or len(self.chunks) == 1):
            return self
        origin = self.origins(*X.shape, seed)
        kept = X[:0] if self.rows is None else self.rows
        rows = np.empty((len(origin), X.shape[1]), np.result_type(kept, X.dtype))
        rows[: len(kept)] = kept
        new = np.flatnonzero(origin >= 0)
        for few in np.array_split(new, 1 + len(new) // _COPIED):
            rows[few] = X[origin[few]]
        chunks = (*self.chunks, key)[-_REMEMBERED:]
        differs = (some != rows[:1]) & ~(np.isnan(some) & np.isnan(rows[:1]))
        varies = self.varies or bool(differs.any())
        labels = self._labels_at(origin, labels)
        known, of_X = self.statistics, statistics_of(X)
        n_seen = self.n_seen + len(X)
        return RowSample(
            rows,
            n_seen,
            varies,
            chunks,
            labels,
            statistics=of_X if known is None else known.merged(of_X),
            start=self.start,
            n_passes=self.n_passes * self.n_seen / n_seen,
        )

    def origins(self, n_rows: int, n_features: int, seed: int) -> NDArray[np.intp]:
        """Return which row of X is to stand at each place of the next sample.

        -1 is for a row that stands there already.
        """
        most = max(1, min(MOST_ROWS, _MOST_ENTRIES // n_features))
        n_old = 0 if self.rows is None else len(self.rows)
        n_first = min(n_rows, max(0, most - n_old))
        origin = np.concatenate([np.full(n_old, -1), np.arange(n_first)])
        rng = np.random.default_rng(child_seed(seed, Stream.SAMPLE, self.n_seen))
        for start in range(n_first, n_rows, _DRAWN):
            numbers = np.arange(start, min(start + _DRAWN, n_rows))
            places = rng.integers(self.n_seen + numbers + 1)
            taken = places < most
            origin[places[taken]] = numbers[taken]  # the last one stays
        return origin

    def drawn(self, n_rows: int, seed: int) -> RowSample:
        """Return so many of the rows, or all if they are fewer, in their order."""
        if len(self.rows) <= n_rows:
            return self
        rng = np.random.default_rng(seed)
        some = np.sort(rng.choice(len(self.rows), n_rows, replace=False))
        labels = None if self.labels is None else self.labels[some]
        return replace(self, rows=self.rows[some], labels=labels)

    def without_rows(self) -> RowSample:
        """Return what a pickle holds."""
        return replace(self, rows=None, labels=None)

    def recalled(self, model: Any) -> RowSample:
        """Return the sample with draws from the model in the place of lost rows."""
        if self.rows is not None or not self.n_seen:
            return self
        n_rows = min(self.n_seen, MOST_ROWS)
        seed = numpy_seed(model._seed, Stream.SAMPLE)
        options, labels = {"mean": False, "random_state": seed}, None
        if takes_labels(model):
            options["y"] = labels = draw_labels(model, n_rows, seed)
        rows = model._validate(model.sample(n_rows, **options))
        most = max(1, min(MOST_ROWS, _MOST_ENTRIES // rows.shape[1]))
        labels = None if labels is None else labels[:most].astype(object)
        return replace(self, rows=rows[:most], labels=labels)

    def _labels_at(
        self, origin: np.ndarray, labels: np.ndarray | None
    ) -> np.ndarray | None:
        """Return labels of rows that are new, or stand where they stood before."""
        if labels is None and self.labels is None:
            return None
        kept = np.full(len(origin), None)
        if self.labels is not None:
            kept[: len(self.labels)] = self.labels
        is_new = origin >= 0
        kept[is_new] = None if labels is None else labels[origin[is_new]]
        return kept
