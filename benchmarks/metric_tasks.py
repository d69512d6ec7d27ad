"""Calls of skvae's metrics and of the same in other packages, for one pair of sets.

`TASKS` names them, and says how far their values may differ. Every call is made by a
function of the sets, which does what need not be timed. `metrics_against_peers.py` runs
them.
"""

import contextlib
import io

import numpy as np

K_PRECISION, K_DENSITY, N_SUBSETS = 3, 5, 100


def make_sets(n, d):
    """Two sets of rows like features of a network: correlated, skewed, one shifted."""
    rng = np.random.default_rng(d)
    mixing = rng.normal(size=(min(d, 64), d)) / 8
    sets = []
    for shift in (0.0, 0.15):
        Z = rng.normal(size=(n, len(mixing))) + shift
        sets.append(np.maximum(Z @ mixing + 0.3 * rng.normal(size=(n, d)), 0) ** 1.2)
    return sets


def moments(X):
    return X.mean(axis=0), np.cov(X, rowvar=False)


def skvae_frechet_statistics(sets):
    from skvae.metrics import FrechetStatistics, frechet_distance

    statistics = [FrechetStatistics(*moments(X), len(X)) for X in sets]
    return lambda: [frechet_distance(*statistics)]


def scipy_sqrtm(sets):
    from scipy.linalg import sqrtm

    (m1, s1), (m2, s2) = (moments(X) for X in sets)

    def call():
        root = sqrtm(s1 @ s2)
        trace = np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real
        return [(m1 - m2) @ (m1 - m2) + trace]

    return call


def pytorch_fid_statistics(sets):
    from pytorch_fid.fid_score import calculate_frechet_distance

    (m1, s1), (m2, s2) = (moments(X) for X in sets)
    return lambda: [calculate_frechet_distance(m1, s1, m2, s2)]


def torch_fidelity_statistics(sets):
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    pairs = [dict(zip(("mu", "sigma"), moments(X), strict=True)) for X in sets]
    key = "frechet_inception_distance"
    return lambda: [fid_statistics_to_metric(*pairs, verbose=False)[key]]


def torchmetrics_statistics(sets):
    import torch
    from torchmetrics.image.fid import _compute_fid

    arguments = [torch.from_numpy(A) for X in sets for A in moments(X)]
    return lambda: [float(_compute_fid(*arguments))]


def skvae_frechet_data(sets):
    from skvae.metrics import frechet_distance

    return lambda: [frechet_distance(*sets)]


def torch_fidelity_data(sets):
    import torch
    from torch_fidelity.metric_fid import (
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    tensors = [torch.from_numpy(X) for X in sets]

    def call():
        statistics = [fid_features_to_statistics(x) for x in tensors]
        result = fid_statistics_to_metric(*statistics, verbose=False)
        return [result["frechet_inception_distance"]]

    return call


def skvae_kernel_distance(sets):
    from skvae.metrics import kernel_distance

    return lambda: [kernel_distance(*sets, n_subsets=N_SUBSETS, random_state=0).value]


def torch_fidelity_kid(sets):
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric

    tensors = [torch.from_numpy(X) for X in sets]
    size = min(1000, len(sets[0]))
    options = {"kid_subsets": N_SUBSETS, "kid_subset_size": size, "verbose": False}
    key = "kernel_inception_distance_mean"
    return lambda: [kid_features_to_metric(*tensors, **options)[key]]


def skvae_balls(sets):
    from skvae.metrics import precision_recall_density_coverage

    return lambda: precision_recall_density_coverage(*sets)[:4]


def prdc_balls(sets):
    import prdc

    def call():
        with contextlib.redirect_stdout(io.StringIO()):
            first = prdc.compute_prdc(*sets, nearest_k=K_DENSITY)
        return [np.nan, np.nan, first["density"], first["coverage"]]

    return call


def torch_fidelity_balls(sets):
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    X, Y = (torch.from_numpy(A.astype(np.float32)) for A in sets)
    options = {"prc_neighborhood": K_PRECISION, "prc_batch_size": 10000}

    def call():
        result = prc_features_to_metric(Y, X, verbose=False, **options)
        return [result["precision"], result["recall"], np.nan, np.nan]

    return call


def skvae_mmd(sets):
    from skvae.metrics import maximum_mean_discrepancy

    options = {"bandwidth": 10.0, "estimator": "biased"}
    return lambda: [maximum_mean_discrepancy(*sets, **options).value]


def cmmd_whole_kernels(sets):
    """The published CMMD's computation: three whole kernel matrices, float64."""

    def kernel(A, B):
        squared = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
        return np.exp(squared / -200.0).mean()

    X, Y = sets
    return lambda: [kernel(X, X) + kernel(Y, Y) - 2 * kernel(X, Y)]


def skvae_authenticity(sets):
    from skvae.metrics import authenticity

    return lambda: [authenticity(*sets).value]


def dgm_authenticity(sets):
    """dgm-eval's computation: two whole matrices of distances, float32."""
    import torch

    X, Y = (torch.from_numpy(A.astype(np.float32)) for A in sets)

    def call():
        own = torch.cdist(X, X)
        own.fill_diagonal_(float("inf"))
        distance, source = torch.cdist(X, Y).min(dim=0)
        return [(distance > own.min(dim=1).values[source]).double().mean()]

    return call


def skvae_data_copying(sets):
    from skvae.metrics import data_copying_test

    X, Y = sets
    half = len(X) // 2
    return lambda: [data_copying_test(X[:half], X[half:], Y, n_cells=1).value]


def meehan_data_copying(sets):
    """Meehan et al.'s computation in one cell: neighbours by scikit-learn, a U test."""
    from scipy.stats import mannwhitneyu
    from sklearn.neighbors import NearestNeighbors

    X, Y = sets
    half = len(X) // 2
    n, m = len(X) - half, len(Y)

    def call():
        index = NearestNeighbors(n_neighbors=1).fit(X[:half])
        d_test, d_generated = (index.kneighbors(A)[0][:, 0] for A in (X[half:], Y))
        u = mannwhitneyu(d_generated, d_test).statistic
        return [(u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)]

    return call


def skvae_prd(sets):
    from skvae.metrics import precision_recall_distribution

    def call():
        result = precision_recall_distribution(*sets, random_state=0)
        return [result.f_8, result.f_1_8]

    return call


def reference_prd(sets):
    """Sajjadi et al.'s computation: ten clusterings, one curve each, averaged."""
    from sklearn.cluster import MiniBatchKMeans

    def call():
        curves, pooled = [], np.vstack(sets)
        angles = np.linspace(1e-10, np.pi / 2 - 1e-10, 1001)
        slopes = np.tan(angles)
        rng = np.random.RandomState(0)  # of skvae: the clusters are the same
        for _ in range(10):
            seed = rng.randint(np.iinfo(np.int32).max)
            kmeans = MiniBatchKMeans(20, n_init=10, random_state=seed).fit(pooled)
            r, g = (
                np.bincount(part, minlength=20) / len(part)
                for part in np.split(kmeans.labels_, 2)
            )
            precision = np.minimum(slopes[:, None] * r, g).sum(axis=1)
            curves.append((precision, precision / slopes))
        p, r = np.clip(np.mean(curves, axis=0), 0, 1)
        return [np.max((1 + b**2) * p * r / (b**2 * p + r + 1e-10)) for b in (8, 1 / 8)]

    return call


# title: (what the values may differ by, in words and as a number, our call, peers); a
# peer is (name of its package, call).
TASKS = {
    "Frechet distance from statistics": (
        "relative 6e-7 of scale",
        6e-7,
        skvae_frechet_statistics,
        [
            ("scipy", scipy_sqrtm),
            ("pytorch_fid", pytorch_fid_statistics),
            ("torch_fidelity", torch_fidelity_statistics),
            ("torchmetrics", torchmetrics_statistics),
        ],
    ),
    "Frechet distance from rows": (
        "relative 6e-7 of scale",
        6e-7,
        skvae_frechet_data,
        [("torch_fidelity", torch_fidelity_data)],
    ),
    "kernel distance": (
        "absolute, five errors of a mean over subsets",
        1e-3,
        skvae_kernel_distance,
        [("torch_fidelity", torch_fidelity_kid)],
    ),
    "precision, recall, density, coverage": (
        "1.5 / rows",
        None,
        skvae_balls,
        [("prdc", prdc_balls), ("torch_fidelity", torch_fidelity_balls)],
    ),
    "maximum mean discrepancy, RBF": (
        "1e-11",
        1e-11,
        skvae_mmd,
        [("numpy", cmmd_whole_kernels)],
    ),
    "authenticity": (
        "1.5 / rows",
        None,
        skvae_authenticity,
        [("torch", dgm_authenticity)],
    ),
    "data copying": (
        "0.02",
        0.02,
        skvae_data_copying,
        [("sklearn", meehan_data_copying)],
    ),
    "PRD": ("1e-9", 1e-9, skvae_prd, [("sklearn", reference_prd)]),
}
