"""Outlier detection by density: tumours that are unlike benign ones.

The breast cancer data that ship with scikit-learn: 30 measurements of cell nuclei for
357 benign and 212 malignant tumours. Every detector is fitted to half of the benign
tumours, sees no malignant one and no label, and ranks the rest. Prints the area under
the ROC curve, the chance that a malignant tumour is ranked as more anomalous than a
benign one, with its spread over splits of the benign tumours, after two transformers:
measurements are skewed, and a power transform makes them nearly normal.

The VAE has all its defaults, and one split: 36 benign tumours are held out from it.

Beside it stand the alarms at a p-value of 0.05: of benign tumours there should be no
more than 5 %. Then a search among all tumours at once, of whose alarms no more than a
tenth should be false. At last, the measurements that make one tumour so unlikely.
"""

import os
import warnings

import numpy as np
import torch
from scipy.stats import false_discovery_control
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from skvae import VAE
from skvae.outliers import DensityOutlierDetector

torch.set_num_threads(1)  # networks as small as these gain nothing from more
warnings.filterwarnings("ignore", message="Posterior collapse")
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Data: benign tumours are what is normal.
tumours = load_breast_cancer(as_frame=True)
benign = tumours.data[tumours.target == 1]
malignant = tumours.data[tumours.target == 0].iloc[: 20 if SMALL else None]


# 2. Detectors, fresh for every split. A transformer is a part of the density.
def detectors(transformer, seed):
    one_split = ShuffleSplit(1, test_size=0.2, random_state=seed)
    densities = {
        "VAE": (VAE(max_epochs=5 if SMALL else 100), one_split),
        "PCA, 10 components": (PCA(10), 5),
        "one normal density": (GaussianMixture(1, reg_covar=1e-3), 5),
    }
    for name, (density, cv) in densities.items():
        density = make_pipeline(transformer, density)
        yield name, DensityOutlierDetector(density, cv=cv, random_state=seed)


# 3. Splits. A row that is less likely is more anomalous.
transformers = {"scaled": StandardScaler(), "power transform": PowerTransformer()}
areas, alarms = {}, {}
for seed in range(1 if SMALL else 3):
    train, test = train_test_split(benign, test_size=0.5, random_state=seed)
    test = test.iloc[: 20 if SMALL else None]
    is_malignant = np.arange(len(test) + len(malignant)) >= len(test)
    for way, transformer in transformers.items():
        for name, detector in detectors(transformer, seed):
            detector.fit(train)
            scores = [detector.decision_function(X) for X in (test, malignant)]
            area = roc_auc_score(is_malignant, -np.concatenate(scores))
            areas.setdefault(name, {}).setdefault(way, []).append(area)
            for kind, found in zip(("benign", "malignant"), scores, strict=True):
                rates = alarms.setdefault(name, {}).setdefault(f"{kind}, {way}", [])
                rates.append(np.mean(found < 0))


# 4. The tables.
def print_table(by_name, number):
    columns = list(next(iter(by_name.values())))
    print(f"{'':20}" + "".join(f"{column:>28}" for column in columns))
    for name, values in by_name.items():
        cells = [number.format(np.mean(a), np.std(a)) for a in values.values()]
        print(f"{name:20}" + "".join(f"{cell:>28}" for cell in cells))


print(f"{len(train)} benign tumours to fit, {len(test)} and {len(malignant)} malignant")
print("ones to rank; area under the ROC curve\n")
print_table(areas, "{:.3f} +- {:.3f}")
print("\nalarms at p <= 0.05\n")
print_table(alarms, "{:.1%} +- {:.1%}")

# 5. A search: p-values adjusted for the number of tumours (`detector` is the last one,
# the normal density after a power transform).
p = np.concatenate([detector.p_values(X) for X in (test, malignant)])
is_found = false_discovery_control(p) <= 0.1
print(
    f"\nsearch: {is_found.sum()} of {len(p)} tumours found, of which benign:", end=" "
)
print(np.sum(is_found & ~is_malignant))

# 6. Which measurement it is, in nats that the row would gain with a usual value.
odd = malignant.iloc[[detector.score_samples(malignant).argmin()]]
gains = -detector.score_columns(odd)[0]
print("\nThe most unlikely tumour, beside all benign ones:\n")
for j in np.argsort(-gains)[:3]:
    name = detector.feature_names_in_[j]
    rank = np.mean(benign[name] < odd[name].item())
    print(f"{name:25}{gains[j]:>8.0f} nats, larger than in {rank:.0%}")
assert SMALL or min(areas["VAE"]["scaled"]) > 0.9
