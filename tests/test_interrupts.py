"""An interrupt from the keyboard keeps what is trained, and ends what runs."""

import signal
import sys
import warnings

import numpy as np
import pytest
from conftest import SMALL_SECOND_STAGE, assert_same, make_data, outputs, small
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from torch.optim.lr_scheduler import LambdaLR

from skvae import VAE, TwoStageVAE
from skvae._training.loop import Step
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP

X = make_data(32, 3)
SECOND = {**SMALL_SECOND_STAGE.get_params(deep=False), "max_epochs": 2}


def press(*_):
    signal.raise_signal(signal.SIGINT)


def pressing(*epochs):
    """Return a schedule that presses Ctrl-C after epochs, counted over all fits."""
    count = []

    def schedule(optimizer):
        def rate(epoch):
            if epoch:
                count.append(epoch)
                if len(count) in epochs:
                    press()
            return 1.0

        return LambdaLR(optimizer, rate)

    return schedule


def fit_interrupted(model, X=X, match="fit was interrupted"):
    with pytest.warns(RuntimeWarning, match=match), pytest.raises(KeyboardInterrupt):
        model.fit(X)
    return model


def test_an_interrupt_ends_a_search():
    model = small(max_epochs=4, lr_schedule=pressing(10))
    search = GridSearchCV(model, {"n_components": [1, 2]}, cv=2, refit=False)
    with pytest.warns(RuntimeWarning), pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert not hasattr(search, "cv_results_")


def test_the_model_of_the_last_complete_epoch_is_kept():
    model = fit_interrupted(small(max_epochs=9, lr_schedule=pressing(4)))
    assert model.n_epochs_ == 4
    expected = small(max_epochs=9, kl_warmup=0.05 * 9 / 4).set_params(max_epochs=4)
    assert_same(outputs(model, X), outputs(expected.fit(X), X))


def test_an_interrupt_keeps_its_kind_where_warnings_are_errors():
    model = small(max_epochs=9, lr_schedule=pressing(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    assert model.n_epochs_ == 4


class Pressing(GaussianMixture):
    """A density that is interrupted while it is fitted."""

    def fit(self, Z, y=None):
        press()
        return super().fit(Z)


def test_an_interrupt_of_the_latent_density_keeps_the_networks():
    model = small(max_epochs=5, latent_density=Pressing(2))
    fit_interrupted(model, match="epoch 5, .* will be fitted when it is needed")
    model.set_params(latent_density=GaussianMixture(2))
    expected = small(max_epochs=5, latent_density=GaussianMixture(2)).fit(X)
    assert_same(outputs(model, X), outputs(expected, X))


class PressingLikelihood(GaussianLikelihood):
    """A likelihood that is interrupted while an epoch is recorded."""

    def monitor(self):
        press()
        return super().monitor()


def test_an_interrupt_before_the_first_epoch_is_complete_is_nothing_else():
    model = small(likelihood=PressingLikelihood())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, "module_")


def test_the_warning_names_the_best_epoch_whose_weights_are_there():
    options = {"early_stopping": True, "n_iter_no_change": 1000, "kl_warmup": 0.0}
    options |= {"max_epochs": 300, "learning_rate": 0.05}
    model = small(lr_schedule=pressing(60), **options)
    with pytest.warns(RuntimeWarning) as told, pytest.raises(KeyboardInterrupt):
        model.fit(X)
    best = 1 + int(np.argmin(model.history_["validation_loss"]))
    assert best < 60 == model.n_epochs_
    assert f"the model is that of epoch {best}, the best one" in str(told[0].message)
    expected = small(**options).set_params(lr_schedule=pressing(best))
    with pytest.warns(RuntimeWarning), pytest.raises(KeyboardInterrupt):
        expected.fit(X)
    np.testing.assert_array_equal(model.transform(X), expected.transform(X))


def test_epochs_are_counted_over_all_fits():
    model = small(max_epochs=9, warm_start=True).fit(X)
    model.set_params(lr_schedule=pressing(3))
    fit_interrupted(model, match="epoch 12, the last complete one")
    assert model.n_epochs_ == 12
    assert {len(values) for values in model.history_.values()} == {12}


def two_stages(first="constant", second="constant"):
    stage = VAE(**SECOND).set_params(max_epochs=6, lr_schedule=second)
    options = {"max_epochs": 6, "lr_schedule": first}
    return small(TwoStageVAE, second_stage=stage, **options)


def test_the_second_stage_is_trained_after_an_interrupt_of_the_first():
    model = fit_interrupted(
        two_stages(pressing(2)),
        match="first stage is that of epoch 2.*second stage is being trained",
    )
    assert model.n_epochs_ == 2
    assert model.second_stage_.n_epochs_ == 6
    assert np.isfinite(model.score(X))


def test_a_second_interrupt_ends_at_once():
    model = fit_interrupted(
        two_stages(pressing(2), pressing(3)), match="second stage, .* of epoch 3"
    )
    assert (model.n_epochs_, model.second_stage_.n_epochs_) == (2, 3)
    assert np.isfinite(model.score(X))


def test_an_interrupt_before_the_second_stage_keeps_the_first_one():
    stage = VAE(**SECOND).set_params(likelihood=PressingLikelihood())
    model = small(TwoStageVAE, max_epochs=6, second_stage=stage, warm_start=True)
    fit_interrupted(model, match="epoch 6, .* second stage is not fitted")
    assert model.transform(X).shape == (len(X), 2)
    with pytest.raises(ValueError, match="not fitted"):
        model.sample(2)
    model.set_params(second_stage=VAE(**SECOND)).fit(X)
    assert (model.n_epochs_, model.second_stage_.n_epochs_) == (12, 2)
    assert model.sample(2).shape == (2, 3)


# -------------------------------------------------------- errors at the end of a fit


class Failing:
    """A callback that fails when all is done."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        raise OSError("disk full")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return False


@pytest.mark.filterwarnings("error:Posterior collapse:UserWarning")
@pytest.mark.parametrize("fault", ["teardown", "warning"])
def test_an_error_at_the_very_end_leaves_the_estimator_as_it_was(fault):
    model = small().fit(make_data())
    before = dict(vars(model))
    if fault == "teardown":
        model.set_callbacks(Failing())
    else:
        options = {"beta": 1e4, "kl_warmup": 0.0, "network": MLP((32,), skip=False)}
        model.set_params(max_epochs=20, learning_rate=1e-2, **options)
    with pytest.raises((OSError, UserWarning), match=r"disk full|collapse"):
        model.fit(X)
    assert all(vars(model)[k] is v for k, v in before.items() if k.endswith("_"))
    assert model.transform(make_data()).shape == (80, 2)


class Full:
    """An output behind which the disk is full."""

    def write(self, text):
        raise OSError("No space left on device")

    def flush(self):
        raise BrokenPipeError


def test_a_line_that_cannot_be_printed_does_not_end_the_training(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    assert small(verbose=1).fit(X).n_epochs_ == 3


def test_entries_that_some_epochs_lack_are_nan_there():
    model = small(warm_start=True).fit(X)
    model.set_params(early_stopping=True).fit(X)
    losses = model.history_["validation_loss"]
    assert {len(values) for values in model.history_.values()} == {6}
    np.testing.assert_array_equal(np.isnan(losses), [True] * 3 + [False] * 3)


@pytest.mark.parametrize(
    "density",
    [
        GaussianMixture(0),
        GaussianMixture(covariance_type="nonsense"),
        KernelDensity(bandwidth=-1),
    ],
)
def test_a_density_with_bad_parameters_is_refused_before_training(density, monkeypatch):
    monkeypatch.setattr(Step, "__call__", lambda self, x: pytest.fail("trained"))
    with pytest.raises(ValueError, match="parameter of"):
        small(latent_density=density).fit(X)
