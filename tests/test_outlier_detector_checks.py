"""Detectors of outliers pass scikit-learn's checks."""

import pytest
from conftest import small
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from skvae.outliers import DensityOutlierDetector

CHECKED = [
    DensityOutlierDetector(small()),
    DensityOutlierDetector(GaussianMixture(2), two_sided=True),
    DensityOutlierDetector(KernelDensity(), contamination=0.2),
    DensityOutlierDetector(
        make_pipeline(StandardScaler(), PCA(1)),
        cv=ShuffleSplit(1, test_size=0.2, random_state=0),
    ),
]


@pytest.mark.parametrize(
    ("detector", "check"),
    [
        pytest.param(detector, check, id=f"{i}-{check.func.__name__}")
        for i, checked in enumerate(CHECKED)
        for detector, check in estimator_checks.estimator_checks_generator(checked)
    ],
)
@pytest.mark.filterwarnings("error::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:contamination")
def test_detector_passes_scikit_learns_checks(detector, check):
    check(detector)


def test_detector_passes_the_check_of_column_names():
    detector = DensityOutlierDetector(GaussianMixture(1), contamination=0.1)
    name = type(detector).__name__
    estimator_checks.check_dataframe_column_names_consistency(name, detector)


@pytest.mark.slow
def test_detector_at_its_defaults_passes_every_check(monkeypatch):
    monkeypatch.setattr("skvae.outliers.detector.VAE", small)
    found = estimator_checks.check_estimator(
        DensityOutlierDetector(), on_skip=None, on_fail=None
    )
    assert {r["check_name"]: r["exception"] for r in found if r["exception"]} == {}
    assert {r["status"] for r in found} == {"passed"}
