"""Write small models in the format of today, and what they say, to be read for ever.

    python tests/formats/write.py

To be run once, when `FORMAT` of `skvae/_persistence/formats.py` has been raised: the
files are then read by all later versions, in `test_file_formats.py`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.mixture import GaussianMixture

from skvae import VAE
from skvae._persistence.formats import FORMAT
from skvae.networks import MLP

FOLDER = Path(__file__).parent


def rows():
    """Return rows near a line."""
    rng = np.random.default_rng(0)
    h = rng.standard_normal((40, 1)) @ [[1.0, -2.0, 0.5]]
    return (h + 0.1 * rng.standard_normal(h.shape)).astype(np.float32)


def table():
    """Return a frame of pandas with a gap, a category and an order."""
    X = rows()
    size = pd.Categorical(np.where(X[:, 0] > 0, "large", "small"), ordered=True)
    frame = pd.DataFrame({"a": np.round(X[:, 1], 1), "b": X[:, 2] > 0, "size": size})
    frame.loc[3, "a"] = np.nan
    return frame


def outputs(model, X):
    """Return what a model says of rows, as arrays of numbers."""
    said = {
        "transform": model.transform(X),
        "score": model.score_samples(X, n_importance_samples=4),
        "means": model.latent_density_.sample(5, **seed_of(model))[0],
    }
    if not hasattr(X, "columns"):
        said["reconstruct"] = model.reconstruct(X)
        said["sample"] = model.sample(5, random_state=0)
    return {name: np.asarray(values, dtype=np.float64) for name, values in said.items()}


def seed_of(model):
    """Return the seed that a density takes in the call, if it does."""
    is_normal = model.latent_density is None
    return {"random_state": 0} if is_normal else {}


def models():
    """Return fitted models by name, with rows of their own."""
    options = {"network": MLP((3,)), "max_epochs": 3, "random_state": 0}
    mixture = GaussianMixture(2, random_state=0)
    return {
        "plain": (VAE(1, **options).fit(rows()), rows()),
        "table": (VAE(1, latent_density=mixture, **options).fit(table()), table()),
    }


if __name__ == "__main__":
    for name, (model, X) in models().items():
        path = FOLDER / f"format_{FORMAT}_{name}.skvae"
        model.save(path)
        np.savez_compressed(path.with_suffix(".npz"), **outputs(model, X))
