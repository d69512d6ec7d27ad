"""What the defaults are worth: linear models, mixtures and variants of the VAE.

Eight data sets: digits, breast cancer, wine and diabetes from scikit-learn, and MNIST,
Fashion-MNIST, CIFAR-10 and the Olivetti faces (32 x 32 pixels) from FOLDER. Seeds draw
the splits and everything that is random. Tables are standardised. 16 components, or
half as many as there are features if that is less, and 32 for colours and faces.
Images are bytes, and all figures of theirs in grey levels.

Held-out rows give: the mean log-likelihood in nats (64 importance samples), the root
mean squared error of reconstructions, the Fréchet distance of 2,000 samples, with their
noise and from a mixture of ten as latent density, and CPU seconds of `fit` on one
thread. A density of
nearly constant pixels means nothing without a floor: no contestant may give a feature
less noise than a tenth of the root mean variance of all features. `GaussianMixture` is
the best of full covariances with 1 and 10 and diagonal ones with 10 and 50 components,
by the likelihood of a tenth of the rows.

    python benchmarks/defaults.py --data FOLDER [--seeds 5] [--sets digits ...]
                                  [--models "VAE" ...] [--out results.jsonl]
    python benchmarks/defaults.py --table results.jsonl
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
)
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skvae import VAE
from skvae.datasets import load_fashion_mnist, load_mnist
from skvae.likelihoods import GaussianLikelihood
from skvae.likelihoods._noise import NoiseByLocation
from skvae.metrics import frechet_distance
from skvae.networks import MLP

N_TRAIN, N_TEST, N_SAMPLES, FLOOR = 5_000, 1_000, 2_000, 0.1
TABLES = {
    "digits": load_digits,
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "diabetes": load_diabetes,
}
IMAGES = ("MNIST", "Fashion-MNIST", "CIFAR-10", "faces")
MIXTURES = {
    "1 full": GaussianMixture(1),
    "10 full": GaussianMixture(10),
    "10 diagonal": GaussianMixture(10, covariance_type="diag"),
    "50 diagonal": GaussianMixture(50, covariance_type="diag"),
}
VARIANTS = {
    "VAE": {},
    "one scale": {"likelihood": GaussianLikelihood("global")},
    "scale by feature": {"likelihood": GaussianLikelihood("feature")},
    "predicted scale": {"likelihood": GaussianLikelihood("predicted")},
    "no bounds": {"likelihood": GaussianLikelihood(bounds=None)},
    "no warm-up": {"kl_warmup": 0.0},
    "no early stopping": {"early_stopping": False, "max_epochs": 100},
    "random start": {"network": MLP(skip=False)},
    "width 64": {"network": MLP((64, 64))},
    "width 512": {"network": MLP((512, 512))},
    "patience 20": {"n_iter_no_change": 20},
    "batches of 32": {"batch_size": 32},
    "rate 3e-4": {"learning_rate": 3e-4},
    "plateau": {"lr_schedule": "plateau"},
}


def load_cifar(path):
    z = np.load(path)["x_delta"].cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    z[:, 0] += z[:, 1]
    z[:, 2] += z[:, 1]
    return z.reshape(len(z), -1)


def load_faces(path):
    pixels = np.load(path)["x"].astype(np.float64).reshape(-1, 32, 2, 32, 2)
    return pixels.mean((2, 4)).round().astype(np.uint8).reshape(len(pixels), -1)


def load(name, folder, seed):
    """Return rows to train on and rows held out, and a number of components."""
    if name in TABLES:
        train, test = train_test_split(TABLES[name]().data, random_state=seed)
        if name != "digits":
            scaler = StandardScaler().fit(train)
            train, test = scaler.transform(train), scaler.transform(test)
        return train, test, min(16, train.shape[1] // 2)
    if name == "CIFAR-10":
        X, d = load_cifar(folder / "cifar10" / "cifar10_train_first4000.npz"), 32
    elif name == "faces":
        X, d = load_faces(folder / "faces" / "olivetti.npz"), 32
    else:
        loader = load_mnist if name == "MNIST" else load_fashion_mnist
        X, d = loader(data_home=folder / name.lower()).data, 16
    X = X[np.random.default_rng(seed).permutation(len(X))]
    n_train = min(N_TRAIN, 3 * len(X) // 4)
    train, test = X[:n_train], X[n_train : n_train + N_TEST]
    return train, test, d


def error(X, reconstructed):
    return float(np.sqrt(np.square(np.float64(X) - reconstructed).mean()))


def measure_linear(label, train, test, d, seed, floor):
    model = {"PCA": PCA, "FactorAnalysis": FactorAnalysis}[label](d, random_state=seed)
    start = time.process_time()
    model.fit(np.float32(train))
    seconds = time.process_time() - start
    test = np.float64(test)
    model.noise_variance_ = np.maximum(model.noise_variance_, floor**2)
    result = {"log-likelihood": float(model.score(test)), "seconds": seconds}
    if label == "PCA":
        reconstructed = model.inverse_transform(model.transform(test))
        result["rms error"] = error(test, reconstructed)
    return result


def measure_mixtures(train, test, seed, floor):
    fit, select = train_test_split(np.float64(train), test_size=0.1, random_state=seed)
    start, best = time.process_time(), (-np.inf, None)
    for prototype in MIXTURES.values():
        if len(fit) < 5 * prototype.n_components:
            continue
        if prototype.covariance_type == "full" and train.shape[1] > 1500:
            continue  # hours, and fewer rows than features
        model = clone(prototype).set_params(reg_covar=floor**2, random_state=seed)
        score = model.fit(fit).score(select)
        best = max(best, (score, model), key=lambda pair: pair[0])
    model, test = best[1].fit(np.float64(train)), np.float64(test)
    seconds = time.process_time() - start
    samples = model.sample(N_SAMPLES)[0]
    return {
        "log-likelihood": float(model.score(test)),
        "sample distance": frechet_distance(test, samples),
        "seconds": seconds,
        "remark": f"{model.n_components} {model.covariance_type}",
    }


def measure_vae(label, train, test, d, seed, floor):
    model = VAE(d, random_state=seed).set_params(**VARIANTS[label])
    model.set_params(latent_density=GaussianMixture(10, random_state=seed))
    start = time.process_time()
    model.fit(train)
    seconds = time.process_time() - start
    likelihood, lowest = model.likelihood_, float(np.log(floor))
    with torch.no_grad():
        likelihood.lowest.clamp_(min=lowest)
        if isinstance(likelihood.noise, NoiseByLocation):
            likelihood.noise.constant.clamp_(min=floor**2)
        elif likelihood.noise is not None:
            likelihood.noise.level.clamp_(min=lowest)
    samples = model.sample(N_SAMPLES, random_state=seed)
    return {
        "log-likelihood": float(model.score(test)),
        "rms error": error(test, model.reconstruct(test)),
        "sample distance": frechet_distance(test, samples),
        "seconds": seconds,
        "remark": f"{model.n_epochs_} epochs",
    }


def measure(label, train, test, d, seed):
    floor = FLOOR * float(np.sqrt(train.var(0).mean()))
    if label in VARIANTS:
        return measure_vae(label, train, test, d, seed, floor)
    if label == "GaussianMixture":
        return measure_mixtures(train, test, seed, floor)
    return measure_linear(label, train, test, d, seed, floor)


def record(row, path):
    """Print a result, and append it to a file of lines of JSON, if there is one."""
    print(row, flush=True)
    if path:
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def print_table(path):
    """Print means and standard deviations over the seeds, as a table of Markdown."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    columns = ("log-likelihood", "rms error", "sample distance", "seconds")
    print("| data | model | " + " | ".join(columns) + " | seeds |")
    print("|" + " --- |" * (len(columns) + 3))
    for name in dict.fromkeys(row["set"] for row in rows):
        for label in dict.fromkeys(row["model"] for row in rows if row["set"] == name):
            runs = [r for r in rows if (r["set"], r["model"]) == (name, label)]
            cells = [cell([r[c] for r in runs if c in r]) for c in columns]
            print("| " + " | ".join([name, label, *cells, str(len(runs))]) + " |")


def cell(values):
    if not values:
        return ""
    spread = f" ± {rounded(np.std(values, ddof=1), 2)}" if len(values) > 1 else ""
    return rounded(np.mean(values), 4) + spread


def rounded(value, n_digits):
    """Return a number to so many digits, without an exponent."""
    if value == 0:
        return "0"
    n_decimals = n_digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{round(value, n_decimals):.{max(n_decimals, 0)}f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = ["PCA", "FactorAnalysis", "GaussianMixture", *VARIANTS]
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--sets", nargs="*", default=[*TABLES, *IMAGES])
    parser.add_argument("--models", nargs="*", default=models)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="append results as lines of JSON")
    parser.add_argument("--table", type=Path, help="print what such a file holds")
    options = parser.parse_args()
    if options.table:
        print_table(options.table)
        return
    warnings.simplefilter("ignore")
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in options.sets:
            train, test, d = load(name, options.data, seed)
            for label in options.models:
                with threadpool_limits(1):
                    result = measure(label, train, test, d, seed)
                row = {"set": name, "model": label, "seed": seed, **result}
                record(row, options.out)


if __name__ == "__main__":
    main()
