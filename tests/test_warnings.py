"""Warnings point at the line of the user, however deep they come from."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import make_data, small
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skvae
from skvae import VAE, evaluate, make_sample_scorer, metrics
from skvae._utils.warn import warn
from skvae.networks import MLP

X = np.random.RandomState(0).normal(size=(60, 8))
MIXTURE = GaussianMixture(2, random_state=0).fit(X)


class Diverging(VAE):
    """Has a loss that is not finite in the first epoch, and only there."""

    def loss(self, module, x, generator, annealing):
        terms = super().loss(module, x, generator, annealing)
        if not hasattr(module, "diverged"):
            module.diverged = True
            terms["kl"] = terms["kl"] * np.nan
        return terms


def fail(X):
    raise ValueError("nothing to see here")


FAILING = make_sample_scorer("coverage", features=fail)
FEW = make_sample_scorer("neg_frechet_distance", n_samples=3)


def diverging():
    return Diverging(**small().get_params(deep=False))


def load_another_version():
    state = small(max_epochs=1).fit(X).__getstate__()
    VAE().__setstate__(state | {"_versions": {"skvae": "0.0.0"}})


def collapsing():
    options = {"beta": 1e4, "kl_warmup": 0.0, "learning_rate": 1e-2}
    options["network"] = MLP((32,), skip=False)
    return small(n_components=6, max_epochs=60, **options)


SOURCES = {
    "fit": lambda: diverging().fit(X),
    "pipeline": lambda: make_pipeline(StandardScaler(), diverging()).fit_transform(X),
    "collapse": lambda: collapsing().fit(make_data(200, 6)),
    "scorer": lambda: FAILING(MIXTURE, X),
    "cross_val_score": lambda: cross_val_score(MIXTURE, X, scoring=FAILING, cv=2),
    "few samples": lambda: cross_val_score(MIXTURE, X, scoring=FEW, cv=2),
    "metric": lambda: metrics.frechet_distance(X[:5], X),
    "data copying": lambda: metrics.data_copying_test(
        np.vstack([X, X + 1000]), X, X + 1000, n_cells=2
    ),
    "evaluate": lambda: evaluate(MIXTURE, X, X[:7], n_bootstrap=0),
    "load": load_another_version,
}


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("source", SOURCES)
def test_name_the_file_of_the_user(source):
    with pytest.warns() as record:
        SOURCES[source]()
    assert {w.filename for w in record} == {__file__}


def test_name_the_line_of_the_user():
    line = inspect.currentframe().f_lineno + 2
    with pytest.warns(UserWarning, match="fewer than its 8 features") as record:
        metrics.frechet_distance(X[:5], X)
    assert [w.lineno for w in record] == [line]


@pytest.mark.parametrize(
    "modules",
    [
        ["skvae.plotting.samples"],
        ["skvae.scorers.sample_scorer", "sklearn.base", "joblib.parallel"],
        ["skvae.estimators.base", "contextlib", "skvae.estimators.vae", "torch.nn"],
    ],
)
def test_pass_over_libraries(modules):
    function = eval("lambda: f('Look here.')", {"__name__": "skvae.losses", "f": warn})
    for name in modules:
        function = eval("lambda: f()", {"__name__": name, "f": function})
    with pytest.warns(UserWarning, match="Look here") as record:
        function()
    assert record[0].filename == __file__


def test_in_a_worker_of_a_library_name_what_called_skvae():
    with ThreadPoolExecutor() as pool, pytest.warns(match="and is nan") as record:
        pool.submit(cross_val_score, MIXTURE, X, scoring=FAILING, cv=2).result()
    assert all("sklearn" in w.filename for w in record)


def test_are_issued_in_one_place():
    package = Path(skvae.__file__).parent
    issuing = [p.name for p in package.rglob("*.py") if ".warn(" in p.read_text()]
    assert issuing == ["warn.py"]
