"""A fit that fails changes nothing."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from basic_data import BASIC, with_value
from conftest import assert_same, dropout_network, make_data, outputs, small
from sklearn.mixture import GaussianMixture

from skvae._training import loop
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP


class _Failure(Exception):
    pass


class _Raise:
    """A callback that raises at the end of the fit's second epoch."""

    def __init__(self, error, at=1):
        self.error, self.at, self.n_ended = error, at, 0

    def setup(self, estimator, context):
        self.n_ended = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_ended += 1
        if self.n_ended > self.at:
            raise self.error


def _interrupt(optimizer):
    raise KeyboardInterrupt


FAILURES = {
    "bad data": (lambda m, X: m.fit(with_value(np.inf)), ValueError),
    "data beyond float32": (lambda m, X: m.fit(X.astype(float) + 1e300), ValueError),
    "bad parameter": (lambda m, X: m.set_params(n_components=0).fit(X), ValueError),
    "bad device": (lambda m, X: m.set_params(device="gpu9").fit(X), ValueError),
    "callback": (lambda m, X: m.set_callbacks(_Raise(_Failure())).fit(X), _Failure),
    "last callback": (
        lambda m, X: m.set_callbacks(_Raise(_Failure(), at=3)).fit(X),
        _Failure,
    ),
    "interrupt before the first epoch": (
        lambda m, X: m.set_params(lr_schedule=_interrupt).fit(X),
        KeyboardInterrupt,
    ),
    "density": (
        lambda m, X: m.set_params(latent_density=GaussianMixture(0)).fit(X),
        ValueError,
    ),
    "diverging": (
        lambda m, X: m.set_params(learning_rate=1e30).fit(X),
        FloatingPointError,
    ),
    "diverging partial fit": (
        lambda m, X: m.set_params(learning_rate=1e30).partial_fit(X),
        FloatingPointError,
    ),
}


def _attributes(model):
    return {k for k in vars(model) if k.endswith("_") or k in ("_seed",)}


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("case", FAILURES)
def test_failed_fit_leaves_an_unfitted_model_unfitted(case):
    fail, error = FAILURES[case]
    model = small()
    with pytest.raises(error):
        fail(model, BASIC)
    assert _attributes(model) == set()
    with pytest.raises(ValueError, match="not fitted yet"):
        model.transform(BASIC)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize(("warm", "n_features"), [(False, 4), (False, 3), (True, 3)])
@pytest.mark.parametrize("case", FAILURES)
def test_failed_fit_leaves_a_fitted_model_unchanged(case, warm, n_features):
    fail, error = FAILURES[case]
    if "partial" in case:
        n_features = 3
    model = small(warm_start=warm).fit(BASIC)
    before, history = outputs(model, BASIC), dict(model.history_)
    with pytest.raises(error):
        fail(model, make_data(30, n_features, seed=9))
    assert model.n_features_in_ == 3
    assert_same(outputs(model, BASIC), before)
    for name, values in history.items():
        np.testing.assert_array_equal(model.history_[name], values)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("case", ["callback", "diverging", "density"])
def test_failed_continuation_leaves_the_optimizer_unchanged(case):
    fail, error = FAILURES[case]
    model = small(warm_start=True).fit(BASIC)
    params = model.get_params(deep=False)
    with pytest.raises(error):
        fail(model, make_data(30, 3, seed=9))
    model.set_params(**params).set_callbacks()
    expected = small(warm_start=True).fit(BASIC).fit(BASIC)
    assert_same(outputs(model.fit(BASIC), BASIC), outputs(expected, BASIC))


@pytest.mark.parametrize("continues", ["partial_fit", "fit"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 3),
        ("network", MLP((9,))),
        ("likelihood", "laplace"),
        ("likelihood", GaussianLikelihood(scale=0.5)),
        ("posterior", "full"),
    ],
)
def test_continuation_with_other_networks_is_refused(name, value, continues):
    model = small(warm_start=True).fit(BASIC)
    before, old = outputs(model, BASIC), model.get_params(deep=False)[name]
    model.set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"go on with .* but {name} has changed"):
        getattr(model, continues)(BASIC)
    assert_same(outputs(model, BASIC), before)
    again = pickle.loads(pickle.dumps(model.set_params(**{name: old})))
    with sklearn.config_context(print_changed_only=False):
        again.partial_fit(BASIC)


def test_failed_fit_does_not_keep_feature_names():
    frame = pd.DataFrame(BASIC, columns=list("abc"))
    model = small()
    with pytest.raises(ValueError, match="n_components"):
        model.set_params(n_components=0).fit(frame)
    assert not hasattr(model, "feature_names_in_")


def test_interrupt_in_the_first_epoch_is_passed_on(monkeypatch):
    def step(self, x):
        raise KeyboardInterrupt

    model = small(network=dropout_network())
    monkeypatch.setattr(loop.Step, "__call__", step)
    with pytest.raises(KeyboardInterrupt):
        model.fit(BASIC)
    assert _attributes(model) == set()


def test_a_fit_after_a_failed_one_is_as_if_nothing_had_happened():
    model = small()
    with pytest.raises(_Failure):
        model.set_callbacks(_Raise(_Failure())).fit(BASIC)
    model.set_callbacks()
    assert_same(outputs(model.fit(BASIC), BASIC), outputs(small().fit(BASIC), BASIC))
