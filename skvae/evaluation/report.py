"""A report on one fitted model: a table, and in words what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from sklearn.utils import resample
from sklearn.utils.validation import check_is_fitted

from skvae._utils.columns import joined
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_boolean, check_integer, plain
from skvae._utils.warn import warn
from skvae.evaluation._findings import are_shared, findings, not_judged
from skvae.evaluation._measurements import measure
from skvae.evaluation._printing import Table, as_lines, number
from skvae.evaluation._reading import read_rows, repeat
from skvae.evaluation._rows import EvaluationRow, Sets
from skvae.pipeline._abilities import can_sample, draws_means, last_step
from skvae.pipeline.sampling import chosen_model
from skvae.scorers._reference import resolve_features
from skvae.scorers._samples import draw_samples

_OWNER = "evaluate"
_MAX_SAMPLES = 2000
_MAX_CALLS = 10
_MAX_CALLS_OF_TABLES = 20


@dataclass(frozen=True)
class Evaluation(Table):
    """The result of `evaluate`; ``print`` shows it, ``evaluation[figure]`` is one row.

    Attributes
    ----------
    model : str
        Name of the estimator.
    rows : tuple of EvaluationRow
        Named tuples (figure, value, low, high, floor, better, meaning).
    findings : tuple of str
        What is wrong, each with its remedy; empty if no finding passed its threshold.
    n_train : int
        Training rows.
    n_test : int
        Held-out rows.
    n_samples : int
        Samples.
    not_judged : tuple of str
        Which findings could not have been made from these rows, and why.
    """

    model: str
    rows: tuple[EvaluationRow, ...]
    findings: tuple[str, ...]
    n_train: int
    n_test: int
    n_samples: int
    not_judged: tuple[str, ...] = ()

    def __str__(self) -> str:
        title = (
            f"{self.model}: {self.n_train} training rows, {self.n_test} held-out rows, "
            f"{self.n_samples} samples"
        )
        said = self.findings or ("No finding passed its threshold.",)
        return "\n".join([title, "", *_table(self.rows), "", *said, *self.not_judged])


def evaluate(
    estimator: Any,
    X_train: Any,
    X_test: Any,
    *,
    features: Any = None,
    n_samples: int | None = None,
    mean: bool | None = None,
    n_bootstrap: int = 40,
    random_state: int | None = 0,
) -> Evaluation:
    """Judge a fitted model: reconstruction, likelihood, samples, copying, latent space.

    Parameters
    ----------
    estimator : object
        Fitted on `X_train`: an estimator of skvae, a density of scikit-learn, or a
        Pipeline that ends in one. What it cannot do is left out.
    X_train : array-like of shape (n_train, n_features)
        The rows that it was fitted on.
    X_test : array-like of shape (n_test, n_features)
        Held-out rows of the same distribution.
    features : None, str, callable or transformer, default=None
        Map applied to rows and samples before they are compared, as in
        `make_sample_scorer`.
    n_samples : int, default=None
        Rows to draw; of more held-out rows, so many are used, chosen at random. None is
        the number of held-out rows, but at most 2,000.
    mean : bool or None, default=None
        True compares decoder means with held-out rows; False adds the observation
        noise. None is what ``sample`` does by itself: noise for models of tables, else
        means. Copying is measured on draws with the noise, as held-out rows have it.
    n_bootstrap : int, default=40
        Number of random halves, and of quarters, behind the intervals of figures of
        samples; 0 leaves
        shares with intervals of the binomial distribution, and others with none.
    random_state : int or None, default=0
        Seed of everything that is drawn.

    Returns
    -------
    evaluation : Evaluation
        A table with 95 % intervals and floors, and findings.

    Raises
    ------
    TypeError
        If the estimator cannot sample.
    ValueError
        If rows or parameters are not as above.

    Notes
    -----
    The *floor* is what real rows get: equally many training rows in place of samples,
    of which no more are compared than there are training rows; training rows in place
    of held-out rows in reconstruction and likelihood; and held-out rows in place of
    samples in the figures of copying. A figure means little without its floor.

    Intervals reflect the sampling of rows and samples, not the randomness of training.
    Those of means over rows are of the studentised bootstrap; those of figures of sets
    come from random halves and quarters, since duplicates in a bootstrap sample would
    be nearest neighbours of each other, and are of the mean over sets of this size,
    with the bias that it has; those of shares are of as many independent rows as their
    variance is worth; those of squared distances have at each end the variance that
    goes with it. Those of copying include what is random in the floor:
    they hold it, in 95 % of cases, if samples are new rows of the same density.
    ``benchmarks/calibration.py`` and ``interval_coverage.py`` measure how often they
    hold.

    The *effective sample size* of models that draw z says how many of the 64 draws
    behind the log-likelihood of a row count; its meaning says so where they are too
    few, which `evaluate_likelihood` can change. The *Fréchet distance at infinity*
    leaves out what a small number of samples adds; what few held-out rows add is in its
    floor, too.

    *Tables*, that is frames with categories or gaps, and rows of which a model has been
    told categories, are compared by the `skvae.metrics.TableFeatures` of the training
    rows; samples that have no gaps in a column are given those of training rows, chosen
    at random, since a model of complete rows would else be told by them alone. The
    error of reconstructions is then the root of the mean squared distance of values:
    in standard deviations of the training rows for numbers, 1 for another category, and
    without gaps. The error of the mean row is that of means and most frequent
    categories. Correlations are those of numbers and of ordered categories only, and
    no Gaussian is compared.

    A finding needs an effect of some size and, where it compares samples, a p-value or
    an interval that rules out chance. Some compare parts of the data, and are corrected
    for the number of parts. One half of the training rows then chooses what is looked
    at, while the other half and the held-out rows are compared with draws (up to 2,000
    of them if there is no `features` map), which have the observation noise.

    The findings and their thresholds:

    - *Posterior collapse*: at most a quarter of the components is active, or the error
      of reconstructions is more than 95 % of that of the mean row; and it is larger
      than that of a PCA with as many components, which is less than 90 % of that of the
      mean row (otherwise there is no structure to find).
    - *Prior mismatch*: a permutation test distinguishes codes z ~ q(z|x) of held-out
      rows from draws of the latent density (p <= 0.01), and the Fréchet distance of
      samples is more than 1.5 times that of decoded codes of training rows.
    - *Shared rows*: more held-out rows equal a training row than other training rows do
      (p <= 0.001); also a warning.
    - *Copying*: samples equal training rows more often than held-out ones (p <= 0.01,
      `skvae.metrics.exact_copies`; up to 2,000 draws are made for this). Where rows
      repeat, as in tables of categories, also if the frequencies of rows are nearer to
      those of the training rows than two independent sets are to each other (up to 20
      times as many draws; p <= 0.005 for both). Or near copies are too many: samples
      whose distance to their nearest training row, over that to its second nearest, is
      as small as that of 5 % of held-out rows. Reported where the interval of their
      share lies above the floor by more than 5 % (and p <= 0.002).
    - *Impossible rows*: held-out rows have a log-likelihood of -inf.
    - *Overfit*: the interval of the share of pairs in which a training row is more
      likely than a held-out row lies above 0.85 (0.5 if the two do not differ; on the
      digits of scikit-learn, models that were stopped early score 0.7 and those that
      were not 0.99); or held-out rows are so much less likely than under a Gaussian
      that is fitted to the training rows, with one variance or with a full covariance
      (up to 1,000 features), as rows that follow the model are with a probability of
      0.005, and training rows are not.
    - *Low recall*, *low coverage*, *low precision*: the interval lies below half of the
      floor; not where draws with the observation noise reach half of all floors, so
      that the noise alone is missing.
    - *Missing modes*: of a bin of k-means on training rows (at most 50), samples have
      less than a third of the share that real rows have (Fisher's test, p <= 0.001).
    - *Wrong columns*: values of a column are off by more than 0.6 standard deviations
      on average, or spread less than half as much (Kolmogorov-Smirnov tests of the
      values and of their distances from the median, p <= 0.001). Columns of which 85 %
      or so of the values are one are measured in the usual standard deviation.
    - *Lost correlations*: of the correlation of a column with the one that it depends
      on most, above 0.5 in ranks, samples have less than half (Fisher's z,
      p <= 0.001).
    - *Samples differ*: if no other of samples is found, and a nearest-neighbour
      classifier of samples and held-out rows is right more often by 0.25 than one of
      training and held-out rows, or than 0.5.

    Findings that too few or shared rows, or scores of NaN, would hide are in
    `not_judged`.

    A density with a kernel at every training row, such as `KernelDensity`, always
    overfits in this sense.

    A model that has learned the frequencies of a table with few kinds of rows by heart
    is a good model and a copier at once; it is called a copier.

    References
    ----------
    Meehan, Chaudhuri and Dasgupta 2020, arXiv:2004.05675, for the comparison of samples
    with held-out rows. Yeom et al. 2018, Privacy risk in machine learning,
    arXiv:1709.01604, for likelihoods that reveal training rows. Richardson and Weiss
    2018, On GANs and GMMs, arXiv:1805.12462, for bins that samples leave out.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.model_selection import train_test_split
    >>> from skvae import evaluate
    >>> X_train, X_test = train_test_split(load_iris().data, random_state=0)
    >>> model = GaussianMixture(2, random_state=0).fit(X_train)
    >>> evaluation = evaluate(model, X_train, X_test)
    >>> evaluation["coverage"].floor > 0.8
    True
    >>> evaluation.findings
    ()
    """
    estimator = chosen_model(estimator)
    _check(estimator, n_samples, mean, n_bootstrap, random_state)
    n_samples, n_bootstrap = plain(n_samples), plain(n_bootstrap)
    mean = draws_means(estimator, mean)
    given = resolve_features(features)
    train, test, features = read_rows(estimator, X_train, X_test, given)
    n_given = len(test)
    n = min(len(test), _MAX_SAMPLES) if n_samples is None else n_samples
    seed = draw_seed(random_state)
    rng = np.random.RandomState(seed)
    sample_seed = int(rng.randint(2**31 - 1))
    drawn = _sample(train, estimator, n, mean, sample_seed, rng)
    test, index = _at_most(max(n, 2), rng, test, np.arange(len(test)))
    (train_part,) = _at_most(n, rng, train)
    sets = Sets(train, test, train_part, *drawn, index, n_given)
    measured = measure(estimator, sets, features, mean, n_bootstrap, rng, seed)
    sizes = len(train), len(sets.test), n
    if are_shared(measured.copying.shared):
        warn(
            "X_test has rows of X_train: copying and overfitting cannot be judged. "
            "Split the rows before fitting, each into one set only."
        )
    said, unsaid = tuple(findings(measured)), tuple(not_judged(measured))
    return Evaluation(_name(estimator), measured.rows, said, *sizes, unsaid)


def _check(
    estimator: Any, n_samples: Any, mean: Any, n_bootstrap: Any, random_state: Any
) -> None:
    if not can_sample(estimator):
        raise TypeError(
            "evaluate needs an estimator that has sample, but "
            f"{type(last_step(estimator)).__name__} has none. Pass a generative model, "
            "such as VAE or GaussianMixture."
        )
    check_is_fitted(last_step(estimator))
    if n_samples is not None:
        check_integer(_OWNER, "n_samples", n_samples, 6)
    if mean is not None:
        check_boolean(_OWNER, "mean", mean)
    check_integer(_OWNER, "n_bootstrap", n_bootstrap, 0)
    if random_state is not None:
        check_integer(_OWNER, "random_state", random_state, 0)


def _sample(
    train: Any,
    estimator: Any,
    n: int,
    mean: bool,
    seed: int,
    rng: np.random.RandomState,
) -> tuple[Any, Any, Any]:
    """Draw samples, at most as many as training rows, and draws with noise."""

    def draw(mean: bool, seed: int) -> Any:
        return draw_samples(train, estimator, n, mean, seed)

    samples = draws = draw(mean, seed)
    if mean and "mean" in signature(last_step(estimator).sample).parameters:
        draws = draw(False, seed)
    n_calls = _n_more_calls(train, n)
    more = [draw(False, int(s)) for s in rng.randint(2**31 - 1, size=n_calls)]
    (samples,) = _at_most(len(train), rng, samples)
    return samples, draws, joined([draws, *more])


def _n_more_calls(train: Any, n: int) -> int:
    """Return how often to sample more rows, which only copies need."""
    if repeat(train[:_MAX_SAMPLES]):
        # Frequencies of kinds of rows show what a model has learned by heart.
        return min(_MAX_CALLS_OF_TABLES, _MAX_CALLS_OF_TABLES * len(train) // n)
    return min(_MAX_CALLS, _MAX_SAMPLES // n)


def _at_most(n: int, rng: np.random.RandomState, *sets: Any) -> tuple[Any, ...]:
    """Draw n rows, the same ones of all arrays and frames, where there are more."""
    if len(sets[0]) <= n:
        return sets
    found = resample(*sets, replace=False, n_samples=n, random_state=rng)
    return tuple(found) if len(sets) > 1 else (found,)


def _name(estimator: Any) -> str:
    last = type(last_step(estimator)).__name__
    return last if last_step(estimator) is estimator else f"Pipeline to {last}"


def _table(rows: Iterable[EvaluationRow]) -> list[str]:
    cells = [("figure", "value", "95% interval", "floor", "better", "meaning")]
    for row in rows:
        interval = f"{number(row.low)} to {number(row.high)}"
        interval = "" if math.isnan(row.low) else interval
        numbers = number(row.value), interval, number(row.floor)
        cells.append((row.figure, *numbers, row.better, row.meaning))
    return as_lines(cells, (1, 2, 3))
