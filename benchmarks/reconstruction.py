"""Reconstruction of held-out rows at defaults, against PCA, for every family.

``tables``
    Explained variance, minus that of PCA with the same number of components (floors:
    -0.05 on digits, -0.10 on standardised tables).
``images``
    Squared error of images over PCA's (below 1).

Both are run in turn for every seed, so that a run that is stopped has whole seeds.

    python benchmarks/reconstruction.py [--data FOLDER] [--seeds 5] [--parts tables ...]

For FOLDER see `skvae.datasets.load_mnist`; tables need none.
"""

import argparse
import time
import warnings
from collections import defaultdict

import numpy as np
import torch
from sklearn.datasets import (
    fetch_california_housing,
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skvae import IWAE, RAE, VAE, WAE
from skvae.datasets import load_fashion_mnist, load_mnist

MODELS = {"VAE": VAE, "IWAE": IWAE, "WAE": WAE, "RAE": RAE}
LOADERS = {"mnist": load_mnist, "fashion-mnist": load_fashion_mnist}
N_COMPONENTS = 16


# ----------------------------------------------------------------------------- tables


def housing_like(n_samples=2_000):
    """Nine correlated, skewed columns, for where California housing is not at hand."""
    rng = np.random.default_rng(0)

    def normal(scale=1.0):
        return scale * rng.standard_normal(n_samples)

    longitude = normal()
    latitude = -0.9 * longitude + normal(0.4)
    income = 3.5 * np.exp(normal(0.5))
    age = np.clip(28 - 2 * income + normal(12), 1, 52)
    rooms = 5.2 * (income / 3.5) ** 0.15 * np.exp(normal(0.25))
    bedrooms = 0.2 * rooms * np.exp(normal(0.12))
    population, occupancy = np.exp(7 + normal(0.7)), 2.9 * np.exp(normal(0.25))
    value = 0.45 * income + 0.3 * np.cos(2 * longitude) + 0.2 * latitude + normal(0.3)
    columns = (income, age, rooms, bedrooms, population, occupancy, latitude)
    return np.column_stack([*columns, longitude, np.clip(value, 0.15, 5)])


def load_tables():
    try:
        housing = fetch_california_housing(download_if_missing=False).data[::10]
        label = "California housing"
    except OSError:
        housing, label = housing_like(), "housing-like"
    cancer, wine, diabetes = (
        load().data for load in (load_breast_cancer, load_wine, load_diabetes)
    )
    return {
        "digits, 16": (load_digits().data, 16, -0.05),
        "breast cancer, 4": (cancer, 4, -0.10),
        "breast cancer, 16": (cancer, 16, -0.10),
        "wine, 4": (wine, 4, -0.10),
        "wine, 8": (wine, 8, -0.10),
        "diabetes, 4": (diabetes, 4, -0.10),
        f"{label}, 4": (housing, 4, -0.10),
    }


def explained_variance(X, reconstructed):
    return 1 - np.square(X - reconstructed).sum() / np.square(X - X.mean(0)).sum()


def measure_tables(seed, options):
    for name, (X, d, floor) in load_tables().items():
        train, test = train_test_split(X, random_state=seed)
        if not name.startswith("digits"):
            scaler = StandardScaler().fit(train)
            train, test = scaler.transform(train), scaler.transform(test)
        pca = PCA(d).fit(train)
        best = explained_variance(test, pca.inverse_transform(pca.transform(test)))
        yield f"{name}: PCA", best, ""
        for label in options.table_models:
            model, remark = fit(MODELS[label](d, random_state=seed), train)
            value = explained_variance(test, model.reconstruct(test)) - best
            yield f"{name}: {label} - PCA (>= {floor})", value, remark


# ----------------------------------------------------------------------------- images


def load_images(data, name, n_rows):
    """Return so many training images and all test images, pixels in [0, 1]."""
    parts = (LOADERS[name](subset=s, data_home=data).data for s in ("train", "test"))
    train, test = (X.astype(np.float32) / 255 for X in parts)
    return train[:n_rows], test


def measure_images(seed, options):
    for name in ("mnist", "fashion-mnist"):
        train, test = load_images(options.data, name, options.rows)
        pca = PCA(N_COMPONENTS, random_state=seed).fit(train)
        best = np.square(test - pca.inverse_transform(pca.transform(test))).mean()
        yield f"{name}: PCA, mean squared error", best, ""
        for label in options.image_models:
            model, remark = fit(MODELS[label](random_state=seed), train)
            error = np.square(test - model.reconstruct(test)).mean()
            yield f"{name}: {label} / PCA (< 1)", error / best, remark


# ------------------------------------------------------------------------------ report


def fit(model, X):
    """Fit, and return with the model how long it took and what it warned of."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    remark = f"{time.perf_counter() - start:.0f} s, {len(model.active_components_)} of "
    remark += f"{model.module_.n_components} active"
    warned = {str(w.message).partition(":")[0] for w in caught}
    return model, "; ".join([remark, *sorted(warned)])


PARTS = {"tables": measure_tables, "images": measure_images}


def run(options):
    """Run the chosen parts for every seed, and report after each."""
    torch.set_num_threads(options.threads)
    results = defaultdict(list)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for part in options.parts:
            for label, value, remark in PARTS[part](seed, options):
                results[f"{part}: {label}"].append(float(value))
                print(f"seed {seed}  {label:50s} {value:9.4f}  {remark}", flush=True)
        report(results)


def report(results):
    print("\nmean +- standard deviation (least to greatest), number of seeds")
    for label, values in results.items():
        spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
        print(
            f"  {label:58s} {np.mean(values):9.4f} +- {spread:.4f} "
            f"({min(values):.4f} to {max(values):.4f}), {len(values)}"
        )
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the images (default: as loaders)")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=60_000, help="training images")
    parser.add_argument("--table-models", nargs="*", default=MODELS, choices=MODELS)
    parser.add_argument("--image-models", nargs="*", default=["VAE"], choices=MODELS)
    parser.add_argument("--threads", type=int, default=1)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
