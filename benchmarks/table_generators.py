"""Generative models of tables: each is fitted to a frame and draws frames like it.

``MODELS[name](train, seed)`` fits a model and returns a function that draws n rows. All
see the same frames; those that cannot take them get a coding of them here.
"""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from skvae import VAE
from skvae.densities import StandardNormal

N_COMPONENTS = (1, 2, 3, 5, 10, 20)
FEW_VALUES = 20
MOST_DECIMALS = 8


class Complete:
    """A frame without gaps: numbers in float64, and the codes of categories as text.

    Gaps of numbers are filled with the mean, and a category says where they were; in
    categories, a gap is one more of them.
    """

    def __init__(self, train):
        self.dtypes = train.dtypes
        self.numbers = list(train.select_dtypes("number"))
        self.means = train[self.numbers].mean()
        self.gaps = {
            f"{name} is missing": name
            for name in self.numbers
            if train[name].isna().any()
        }
        names = [name for name in train if name not in self.numbers]
        self.categories = [*names, *self.gaps]

    def encode(self, frame):
        coded = frame[self.numbers].astype(float).fillna(self.means)
        for name in self.categories:
            codes = (
                frame[self.gaps[name]].isna().astype(int)
                if name in self.gaps
                else frame[name].cat.codes
            )
            coded[name] = codes.astype(str).astype(object)
        return coded

    def decode(self, coded):
        frame = pd.DataFrame(index=coded.index)
        for name, dtype in self.dtypes.items():
            column = coded[name]
            if name not in self.numbers:
                codes = column.astype(int)
                column = pd.Categorical.from_codes(codes, dtype=dtype)
            frame[name] = column
        for name, number in self.gaps.items():
            frame.loc[coded[name].astype(str) == "1", number] = np.nan
        return frame


class OneHot:
    """A matrix: numbers scaled, and a column for each category."""

    def __init__(self, train, scaler=None):
        self.complete = Complete(train)
        coded = self.complete.encode(train)
        numbers, categories = self._parts(coded)
        self.scaler = (scaler or StandardScaler()).fit(numbers)
        self.encoder = OneHotEncoder(sparse_output=False).fit(categories)

    def _parts(self, coded):
        return coded[self.complete.numbers], coded[self.complete.categories]

    def encode(self, frame):
        numbers, categories = self._parts(self.complete.encode(frame))
        return np.hstack(
            [self.scaler.transform(numbers), self.encoder.transform(categories)]
        )

    def decode(self, X):
        """Return the frame, with the category of the greatest column."""
        n = len(self.complete.numbers)
        numbers = self.scaler.inverse_transform(X[:, :n])
        coded = pd.DataFrame(numbers, columns=self.complete.numbers)
        coded[self.complete.categories] = self.encoder.inverse_transform(X[:, n:])
        return self.complete.decode(coded)


def as_measured(drawn, train):
    """Return drawn rows with the columns, decimals and types of the training rows."""
    drawn = drawn[list(train)].reset_index(drop=True)
    for name in train.select_dtypes("number"):
        drawn[name] = drawn[name].astype(float).round(decimals(train[name]))
    return drawn.astype(train.dtypes)


def decimals(column):
    """Return the number of decimals that all values of a column have."""
    values = column.dropna().to_numpy(dtype=float)
    for n in range(MOST_DECIMALS):
        if np.allclose(values, values.round(n), rtol=1e-12, atol=0.0):
            return n
    return MOST_DECIMALS


def rows_themselves(train, seed):
    return lambda n: train.sample(n, random_state=seed)


def rows_redrawn(train, seed):
    return lambda n: train.sample(n, replace=True, random_state=seed)


def independent(train, seed):
    """Draw every column from its training values, whatever the others are."""
    rng = np.random.default_rng(seed)

    def draw(n):
        columns = {
            name: column.iloc[rng.integers(len(train), size=n)].array
            for name, column in train.items()
        }
        return pd.DataFrame(columns)

    return draw


def mixture(train, seed, scaler=None):
    """Fit the mixture of full covariances that has the least BIC."""
    coding = OneHot(train, scaler)
    X = coding.encode(train)
    found = [
        GaussianMixture(k, reg_covar=1e-3, random_state=seed).fit(X)
        for k in N_COMPONENTS
        if k <= len(X)
    ]
    best = min(found, key=lambda model: model.bic(X))
    return lambda n: coding.decode(best.sample(n)[0])


def mixture_of_normal_scores(train, seed):
    n_quantiles = min(len(train), 1000)
    return mixture(
        train,
        seed,
        QuantileTransformer(
            n_quantiles=n_quantiles, output_distribution="normal", random_state=seed
        ),
    )


def vae(train, seed):
    model = VAE(random_state=seed).fit(train)
    return lambda n: model.sample(n, random_state=seed)


def vae_with_prior(train, seed):
    model = VAE(latent_density=StandardNormal(), random_state=seed).fit(train)
    return lambda n: model.sample(n, random_state=seed)


def vae_of_one_hot(train, seed):
    coding = OneHot(train)
    model = VAE(random_state=seed).fit(coding.encode(train))
    return lambda n: coding.decode(model.sample(n, mean=False, random_state=seed))


def of_ctgan(name, **parameters):
    """Return how a class of the package ctgan is fitted: see its README.

    It asks for complete frames: floats, and text for what is discrete. Numbers of few
    values are discrete to it.
    """

    def fit(train, seed):
        if find_spec("ctgan") is None:
            raise SystemExit(
                "TVAE and CTGAN are in the package 'ctgan', which is not installed. "
                "Install it, or leave them out with --models. So as to keep the torch "
                "that is there: pip install --no-deps ctgan rdt faker tqdm"
            )
        numbers = train.select_dtypes("number")
        few = [name for name in numbers if train[name].nunique() <= FEW_VALUES]
        train = train.astype(dict.fromkeys(few, "category"))
        coding = Complete(train)
        model = getattr(import_module("ctgan"), name)(**parameters)
        model.set_random_state(seed)
        model.fit(coding.encode(train), coding.categories)
        return lambda n: coding.decode(model.sample(n))

    return fit


BOUNDS = {
    "training rows": rows_themselves,
    "training rows, redrawn": rows_redrawn,
    "independent columns": independent,
}
MODELS = {
    **BOUNDS,
    "mixture": mixture,
    "mixture of normal scores": mixture_of_normal_scores,
    "TVAE": of_ctgan("TVAE"),
    "TVAE, batches of 50": of_ctgan("TVAE", batch_size=50),
    "CTGAN": of_ctgan("CTGAN"),
    "CTGAN, batches of 50": of_ctgan("CTGAN", batch_size=50),
    "VAE of one-hot": vae_of_one_hot,
    "VAE": vae,
    "VAE, z ~ N(0, I)": vae_with_prior,
}
