"""Outlier detectors on real data: area under the ROC curve of held-out outliers.

One class of each set is what is normal; rows of the other classes are outliers, a tenth
as many as normal rows. Two protocols, over random splits:

- novelty: fit to half of the normal rows; rank the other half and the outliers.
- contaminated: fit to all normal rows with the outliers among them, and rank the same
  rows, as ``fit(X).score_samples(X)`` does.

Contestants have the defaults of their classes, on standardised columns (images: pixels
divided by 255, of 200 normal rows): `DensityOutlierDetector` around ``VAE()`` (from 100
rows on with one split of 20 % instead of five folds, to save time), a Gaussian mixture
of three diagonal components and a PCA of ten;
``IsolationForest()``; ``LocalOutlierFactor()`` (of 20 neighbours); the error of
reconstruction by a PCA of ten components; pyod's ``VAE()``, if pyod can be imported,
where there are 32 rows or more, a batch of it.

    OMP_NUM_THREADS=1 python benchmarks/outlier_detection.py [--data FOLDER]
        [--seeds 5] [--sets wine digits] [--columns]

With ``--columns``, instead: how often `score_columns` gives the lowest score to the
column that was changed in a held-out row of the whole table, either to five standard
deviations from the mean, or to the value of another row.
"""

import argparse
import contextlib
import io
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from skvae import VAE
from skvae.datasets import load_fashion_mnist, load_mnist
from skvae.outliers import DensityOutlierDetector

MOST_IMAGES = 200
FEW_ROWS = 100
BATCH_OF_PYOD = 32
N_EXPLAINED = 20  # rows with a changed column, for each seed and kind


def table(load, normal):
    """Return the rows of one class of a table, and all others."""
    X, y = load(return_X_y=True)
    return X[y == normal], X[y != normal]


def images(load, normal, data):
    """Return the first images of one class as rows, and some of all others."""
    loaded = load(data_home=data)
    X, y = loaded.images[:20000].reshape(20000, -1) / 255.0, loaded.target[:20000]
    return X[y == normal][:MOST_IMAGES], X[y != normal][:MOST_IMAGES]


def sets(data):
    """Return {name: a function that gives normal rows and outliers}."""
    found = {
        "breast cancer, benign": lambda: table(load_breast_cancer, 1),
        "wine, class 1": lambda: table(load_wine, 1),
        "iris, versicolor": lambda: table(load_iris, 1),
        "digits, 3": lambda: table(load_digits, 3),
    }
    if data is not None:
        found |= {
            "MNIST, 4": lambda: images(load_mnist, 4, data),
            "Fashion-MNIST, pullover": lambda: images(load_fashion_mnist, 2, data),
        }
    return found


class ReconstructionError(PCA):
    """Minus the squared error of principal components."""

    def score_samples(self, X):
        return -np.square(X - self.inverse_transform(self.transform(X))).sum(axis=1)


class PyodVAE(BaseEstimator):
    """pyod's VAE with the signs of scikit-learn, and without its progress bar."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X):
        from pyod.models.vae import VAE as Detector

        self.detector_ = Detector(random_state=self.random_state, verbose=0)
        with contextlib.redirect_stdout(io.StringIO()):
            self.detector_.fit(X)
        return self

    def score_samples(self, X):
        return -self.detector_.decision_function(X)


class Neighbours(BaseEstimator):
    """LocalOutlierFactor, which keeps the scores of the rows of fit."""

    def fit(self, X):
        self.fitted_ = X
        self.known_ = LocalOutlierFactor().fit(X)
        self.new_ = LocalOutlierFactor(novelty=True).fit(X)
        return self

    def score_samples(self, X):
        is_known = X is self.fitted_
        return (
            self.known_.negative_outlier_factor_
            if is_known
            else self.new_.score_samples(X)
        )


def contestants(X, seed):
    d = min(10, X.shape[1] - 1)
    cv = 5 if len(X) < FEW_ROWS else ShuffleSplit(1, test_size=0.2, random_state=seed)
    mixture = GaussianMixture(3, covariance_type="diag", reg_covar=1e-2)
    found = {
        "VAE": DensityOutlierDetector(VAE(), cv=cv, random_state=seed),
        "mixture": DensityOutlierDetector(mixture, random_state=seed),
        "PCA": DensityOutlierDetector(PCA(d), random_state=seed),
        "IsolationForest": IsolationForest(random_state=seed),
        "LocalOutlierFactor": Neighbours(),
        "PCA error": ReconstructionError(d),
    }
    if find_spec("pyod") and len(X) >= BATCH_OF_PYOD:
        found["pyod's VAE"] = PyodVAE(random_state=seed)
    return found


def prepared(train, test):
    """Standardise the columns of a table; leave images as they are."""
    if train.shape[1] == 784:
        return train, test
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def protocols(normal, outliers, seed):
    """Yield {protocol: (rows to fit, rows to rank, which of these are outliers)}."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(outliers), max(len(normal) // 10, 1), replace=False)
    train, test = train_test_split(normal, test_size=0.5, random_state=seed)
    rows = np.vstack([test, outliers[chosen]])
    train, rows = prepared(train, rows)
    yield "novelty", train, rows, np.arange(len(rows)) >= len(test)
    rows = np.vstack([normal, outliers[chosen]])
    rows, _ = prepared(rows, rows)
    yield "contaminated", rows, rows, np.arange(len(rows)) >= len(normal)


def areas(normal, outliers, seed):
    """Yield (protocol, contestant, area under the ROC curve) of one split."""
    for protocol, train, rows, is_outlier in protocols(normal, outliers, seed):
        for contestant, detector in contestants(train, seed).items():
            scores = detector.fit(train).score_samples(rows)
            yield protocol, contestant, roc_auc_score(is_outlier, -scores)


def compare(name, load, n_seeds):
    """Print a line of areas for both protocols of a set."""
    normal, outliers = load()
    found, start = {}, time.process_time()
    for seed in range(n_seeds):
        for protocol, contestant, area in areas(normal, outliers, seed):
            by_contestant = found.setdefault(protocol, {})
            by_contestant.setdefault(contestant, []).append(area)
    shape = f"{len(normal)} x {normal.shape[1]}"
    for protocol, by_contestant in found.items():
        cells = [
            f"{np.mean(areas):.3f} ± {np.std(areas, ddof=1):.3f}"
            for areas in by_contestant.values()
        ]
        print(f"| {protocol} | {name} ({shape}) | " + " | ".join(cells) + " |")
    print(f"  ({time.process_time() - start:.0f} CPU seconds)", flush=True)


def changed(X, others, rng, way):
    """Return rows with one column changed, and which."""
    X, columns = X.copy(), rng.integers(X.shape[1], size=len(X))
    rows = np.arange(len(X))
    if way == "far":
        X[rows, columns] = 5 * rng.choice([-1, 1], len(X))
    else:
        X[rows, columns] = others[rng.integers(len(others), size=len(X)), columns]
    return X, columns


def explain(name, load, n_seeds):
    """Print how often the changed column has the lowest score."""
    rows = np.vstack(load())
    for density in (VAE(), GaussianMixture(3, reg_covar=1e-2), PCA(3)):
        shares = {"far": [], "swapped": []}
        for seed in range(n_seeds):
            rng = np.random.default_rng(seed)
            train, test = train_test_split(rows, test_size=0.3, random_state=seed)
            train, test = prepared(train, test[:N_EXPLAINED])
            detector = DensityOutlierDetector(density, random_state=seed).fit(train)
            for way, found in shares.items():
                X, columns = changed(test, train, rng, way)
                found.append(np.mean(detector.score_columns(X).argmin(1) == columns))
        cells = [f"{np.mean(s):.0%} ± {np.std(s):.0%}" for s in shares.values()]
        cells.append(f"{1 / rows.shape[1]:.0%}")
        print(
            f"| {name} | {type(density).__name__} | {' | '.join(cells)} |", flush=True
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the files of MNIST")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", help="beginnings of the names of sets")
    parser.add_argument("--columns", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = tuple(options.sets or [""])
    available = sets(None if options.columns else options.data)
    if not options.columns:
        names = ["protocol", "data", *contestants(np.zeros((9, 9)), 0)]
        print("| " + " | ".join(names) + " |\n" + "| --- " * len(names) + "|")
    for name, load in available.items():
        if name.startswith(chosen):
            run = explain if options.columns else compare
            run(name, load, options.seeds)


if __name__ == "__main__":
    main()
