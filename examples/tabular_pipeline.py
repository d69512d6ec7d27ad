"""A table of mixed columns: transformed, modelled, and sampled back to its own units.

The diabetes data that ship with scikit-learn: 442 patients with age, sex, body mass
index, blood pressure, six blood values, and the progression of their disease a year
later. Sex is a category, most blood values are skewed. A ColumnTransformer treats each
kind of column in its own way, a VAE models what comes out, and `sample_pipeline` draws
new patients in years, mm Hg and mg/dl. Prints columns, drawn rows, and a table of how
good they are, with the mean and the standard deviation over several splits.

The noise of p(x|z) belongs to a row of a table, so that samples are drawn with
``mean=False``; decoder means alone have too little spread. Two questions are asked of
the samples. Do their columns correlate as those of patients do? Does a regression that
has seen nothing but samples predict the disease of real patients? Look at the baseline,
too: with 300 rows, one normal density in the place of the VAE does as well in the first
question and a little better in the second.
"""

import os
import warnings

import numpy as np
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler

from skvae import VAE, sample_pipeline

torch.set_num_threads(1)  # networks as small as these gain nothing from more
warnings.filterwarnings("ignore", message="Posterior collapse")
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. The table, with the progression of the disease as its last column.
diabetes = load_diabetes(scaled=False)
names = [*diabetes.feature_names, "disease"]
table = np.column_stack([diabetes.data, diabetes.target])

# 2. Every column in its own way, and the way back is found by `sample_pipeline`.
columns = ColumnTransformer(
    [
        ("sex", OneHotEncoder(sparse_output=False), [names.index("sex")]),
        ("even", StandardScaler(), [names.index(n) for n in ("age", "bp", "s6")]),
    ],
    remainder=PowerTransformer(),
)
vae = VAE(n_components=6, max_epochs=5 if SMALL else 100, random_state=0)
normal = GaussianMixture(1, reg_covar=1e-3, random_state=0)


# 3. Two questions to rows that stand for the patients in `test`.
def correlation_error(rows, test):
    difference = np.corrcoef(rows.T) - np.corrcoef(test.T)
    return np.abs(difference[np.triu_indices(len(names), 1)]).mean()


def predicted(rows, test):
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 6)))
    return ridge.fit(rows[:, :-1], rows[:, -1]).score(test[:, :-1], test[:, -1])


names_of_rows = (
    *("training rows", "VAE, z ~ N(0, I)", "VAE, z ~ mixture"),
    *("one normal density", "shuffled columns"),
)
results = {name: [] for name in names_of_rows}
for seed in range(2 if SMALL else 5):
    train, test = train_test_split(table, test_size=0.3, random_state=seed)
    rng = np.random.default_rng(seed)
    rows = {"training rows": train, "shuffled columns": rng.permuted(train, axis=0)}

    def sample(pipeline, seed=seed):
        X = sample_pipeline(pipeline, 3000, mean=False, random_state=seed)
        return X[np.isfinite(X).all(1)]  # a power has no inverse beyond its range

    pipeline = make_pipeline(clone(columns), clone(vae)).fit(train)
    rows["VAE, z ~ N(0, I)"] = sample(pipeline)
    pipeline[-1].set_params(latent_density=GaussianMixture(3))  # the networks stay
    pipeline[-1].fit_latent_density(pipeline[:-1].transform(train))
    rows["VAE, z ~ mixture"] = sample(pipeline)
    pipeline = make_pipeline(clone(columns), clone(normal)).fit(train)
    rows["one normal density"] = sample(pipeline)
    for name, answers in results.items():
        X = rows[name]
        spread = np.mean(X.std(0) / test.std(0))
        answers.append((correlation_error(X, test), predicted(X, test), spread))

# 4. The last split: three drawn patients, and quantiles of all.
samples = rows["VAE, z ~ mixture"]
lines = {f"drawn patient {i + 1}": row for i, row in enumerate(samples[:3])}
for q in (0.05, 0.5, 0.95):
    for name, X in (("held out", test), ("drawn", samples)):
        lines[f"{name}, {q:.0%} below"] = np.quantile(X, q, axis=0)
print(f"{'':20}" + "".join(f"{name:>8}" for name in names))
for name, values in lines.items():
    print(f"{name:20}" + "".join(f"{value:8.1f}" for value in values))

# 5. All splits.
print(f"\n{'':20}{'error of':>16}{'disease pre-':>16}{'spread,':>16}")
print(f"{'':20}{'correlations':>16}{'dicted, R2':>16}{'1 is right':>16}")
for name, answers in results.items():
    means, deviations = np.mean(answers, 0), np.std(answers, 0)
    cells = [f"{m:.3f} +- {s:.3f}" for m, s in zip(means, deviations, strict=True)]
    print(f"{name:20}" + "".join(f"{cell:>16}" for cell in cells))
assert set(np.unique(samples[:, names.index("sex")])) <= {1.0, 2.0}
