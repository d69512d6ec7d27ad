"""Rare classes: does it help a classifier to enlarge them by samples of a VAE?

Two data sets that ship with scikit-learn, each halved into rows to train on and rows to
judge by. In the first half, some classes are thinned to 15 rows: malignant tumours of
the breast cancer data (30 measurements, 178 benign ones), and threes and eights of the
digits (64 pixels, some 90 of each other digit). A VAE with a density of codes for each
class is fitted to all rows, and `sample(n, y)` draws rows of the rare classes until
they have as many as the others. Logistic regression and a random forest are trained on
the rows as they are, with class weights, with rare rows repeated at random, and with
the samples. Prints the mean and standard deviation of the macro F1, the mean over
classes, over five splits.
"""

import os
import warnings

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAE
from skvae.densities import ClassConditionalDensity
from skvae.pipeline import sample_pipeline

torch.set_num_threads(1)  # networks as small as these gain nothing from more
warnings.filterwarnings("ignore", message="Posterior collapse")
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"
N_RARE = 15

# 1. Data, and which of their classes are made rare.
data = {
    "breast cancer": (*load_breast_cancer(return_X_y=True), [0]),
    "digits": (*load_digits(return_X_y=True), [3, 8]),
}
classifiers = {
    "logistic regression": make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=2000)
    ),
    "random forest": RandomForestClassifier(random_state=0),
}


def thinned(X, y, rare, rng):
    """Return rows with no more than a few of the rare classes."""
    rows = rng.permutation(len(y))
    kept = [rows[y[rows] == c][: N_RARE if c in rare else None] for c in np.unique(y)]
    kept = np.concatenate(kept)
    return X[kept], y[kept]


# 2. Four ways to train on rare classes.
def training_sets(X, y, rare, seed, rng):
    """Return rows, labels and class weights."""
    size = int(np.median([np.sum(y == c) for c in np.unique(y) if c not in rare]))
    more = np.repeat(rare, size - N_RARE)
    repeated = [rng.choice(np.flatnonzero(y == c)) for c in more]
    vae = VAE(
        latent_density=ClassConditionalDensity(),
        max_epochs=5 if SMALL else 100,
        random_state=seed,
    )
    model = make_pipeline(StandardScaler(), vae).fit(X, y)
    samples = sample_pipeline(model, len(more), more, mean=False, random_state=seed)
    labels = np.concatenate([y, more])
    return {
        "as they are": (X, y, None),
        "class weights": (X, y, "balanced"),
        "rare rows repeated": (np.vstack([X, X[repeated]]), labels, None),
        "samples of a VAE": (np.vstack([X, samples]), labels, None),
    }


# 3. Splits, and one table for each data set.
for name, (X, y, rare) in data.items():
    scores = {}
    for seed in range(1 if SMALL else 5):
        rng = np.random.default_rng(seed)
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.5, stratify=y, random_state=seed
        )
        X_train, y_train = thinned(X_train, y_train, rare, rng)
        sets = training_sets(X_train, y_train, rare, seed, rng)
        for way, (rows, labels, weights) in sets.items():
            for kind, classifier in classifiers.items():
                last = clone(classifier)
                prefix = "logisticregression__" if "logistic" in kind else ""
                last.set_params(**{f"{prefix}class_weight": weights})
                found = last.fit(rows, labels).predict(X_test)
                score = f1_score(y_test, found, average="macro")
                scores.setdefault((way, kind), []).append(score)
    print(f"\n{name}: macro F1 where {N_RARE} rows of {rare} are left\n")
    print(f"{'':20}" + "".join(f"{kind:>22}" for kind in classifiers))
    for way in sets:
        cells = [scores[way, kind] for kind in classifiers]
        cells = [f"{np.mean(c):.3f} +- {np.std(c):.3f}" for c in cells]
        print(f"{way:20}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
