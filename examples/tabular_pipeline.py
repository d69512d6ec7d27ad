"""A table with categories and gaps: fitted as it is, sampled, imputed, and judged.

The diabetes data that ship with scikit-learn: 442 patients with age, sex, body mass
index, blood pressure, six blood values, and the progression of their disease a year
later. Age is a whole number, sex a category, most blood values are skewed, and here
every tenth value is missing. `VAE` takes the frame, and gives frames back: patients
with whole years and one of two sexes. Prints some of them, and a table of how good they
are, with the mean and the standard deviation over several splits.

Four questions are asked of the samples, of 3,000 each. Are their columns distributed as
those of patients are? And pairs of columns? Can a classifier tell them from patients
(1/2: no)? Does a forest that has seen nothing but samples predict the disease of
patients? The same is asked of two ways through a Pipeline, in which a ColumnTransformer
codes the columns, gaps are filled with the mean, and `sample_pipeline` finds the way
back: to a VAE, and to one normal density. And of shuffled columns, which must fail.

In the end, the gaps themselves are filled, and compared with what was there.
"""

import os
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer

from skvae import VAE, sample_pipeline
from skvae.metrics import (
    classifier_two_sample_test,
    column_pair_trends,
    column_shapes,
    train_on_synthetic_test_on_real,
)

torch.set_num_threads(1)  # networks as small as these gain nothing from more
warnings.filterwarnings("ignore", message="Posterior collapse")
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"
N_DRAWN = 300 if SMALL else 3000

# 1. The table, with the progression of the disease as its last column.
whole = load_diabetes(as_frame=True, scaled=False).frame
whole = whole.rename(columns={"target": "disease"})
whole["age"] = whole["age"].astype("Int64")  # whole numbers that may be missing
whole["sex"] = whole["sex"].map({1: "one", 2: "two"}).astype("category")
missing = np.random.default_rng(0).random(whole.shape) < 0.1
missing[:, -1] = False  # the disease is what is to be predicted
table = whole.mask(missing)  # as people have it

# 2. The direct way, and the same model for the codes of a Pipeline, which are an array.
options = {"max_epochs": 5 if SMALL else 100, "random_state": 0}
vae = VAE(**options)
of_codes = VAE(latent_density=GaussianMixture(9, reg_covar=0.01), **options)


def directly(train):
    return clone(vae).fit(train).sample(N_DRAWN, random_state=0)


# 3. The way through a Pipeline: each column is coded, and the codes are modelled.
numbers = [name for name in table if name != "sex"]
columns = ColumnTransformer(
    [("sex", OneHotEncoder(sparse_output=False), ["sex"])],
    remainder=PowerTransformer(),
)


def through_pipeline(train, model):
    train = train.astype(dict.fromkeys(numbers, float))
    train = train.fillna(train[numbers].mean()).fillna({"sex": "one"})
    pipeline = make_pipeline(columns, clone(model)).fit(train)
    noise = {"mean": False} if isinstance(model, VAE) else {}
    rows = sample_pipeline(pipeline, N_DRAWN, random_state=0, **noise)
    rows = rows[np.isfinite(rows[:, 2:].astype(float)).all(axis=1)]
    drawn = pd.DataFrame(rows, columns=table.columns)
    drawn["age"] = drawn["age"].astype(float).round()
    return drawn.astype(table.dtypes)


def shuffled(train):
    rng = np.random.default_rng(0)
    return pd.DataFrame({name: rng.permutation(train[name]) for name in train})


normal = GaussianMixture(1, reg_covar=1e-3, random_state=0)
WAYS = {
    "training rows": lambda train: train,
    "VAE of the frame": directly,
    "VAE in a Pipeline": lambda train: through_pipeline(train, of_codes),
    "one normal density": lambda train: through_pipeline(train, normal),
    "shuffled columns": shuffled,
}


# 4. Four questions to rows that stand for the patients in `test`.
def answers(train, drawn, test):
    drawn = drawn.astype(test.dtypes)
    told_apart = classifier_two_sample_test(test, drawn, n_repeats=0, random_state=0)
    use = train_on_synthetic_test_on_real(
        train, drawn, test, target="disease", random_state=0
    )
    shapes, pairs = column_shapes(test, drawn), column_pair_trends(test, drawn)
    return shapes.value, pairs.value, told_apart.value, use.value


results = {name: [] for name in WAYS}
for seed in range(2 if SMALL else 5):
    train, test = train_test_split(table, test_size=0.3, random_state=seed)
    for name, draw in WAYS.items():
        results[name].append(answers(train, draw(train), test))

# 5. Three drawn patients, of a model of all rows, and the answers of all splits.
model = clone(vae).fit(table)
print(model.sample(3, random_state=0).to_string(index=False))
questions = "columns", "pairs", "told apart", "disease, R2"
print(f"\n{'':20}" + "".join(f"{question:>17}" for question in questions))
for name, found in results.items():
    means, deviations = np.mean(found, axis=0), np.std(found, axis=0)
    cells = [f"{m:.3f} +- {s:.3f}" for m, s in zip(means, deviations, strict=True)]
    print(f"{name:20}" + "".join(f"{cell:>17}" for cell in cells))

# 6. The gaps, filled with expectations, and what the mean would have left.
filled = model.impute(table)
print(f"\n{'':20}{'root mean squared error of gaps':>34}")
for name in numbers[:-1]:
    gap, truth = missing[:, whole.columns.get_loc(name)], whole[name].astype(float)
    fills = {"imputed": filled[name].astype(float), "mean": table[name].mean()}
    errors = {k: np.sqrt(np.square(v - truth)[gap].mean()) for k, v in fills.items()}
    print(f"{name:20}" + "".join(f"{k:>10} {v:6.2f}" for k, v in errors.items()))
gap = missing[:, whole.columns.get_loc("sex")]
right = np.mean((filled["sex"] == whole["sex"])[gap])
print(f"{'sex':20}{right:.0%} of gaps right")
assert filled.notna().all(axis=None)
assert (filled.dtypes == table.dtypes).all()
