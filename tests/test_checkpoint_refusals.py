"""What a checkpoint refuses, by name, and how nothing is lost by it."""

import os
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import assert_same, make_data, outputs, small
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_checkpoints import (
    MODELS,
    Killed,
    Killer,
    assert_same_fit,
    fit_again,
    fit_killed,
    halving,
    one_cycle,
)

from skvae import IWAE, _version
from skvae.callbacks import Checkpoint
from skvae.densities import ClassConditionalDensity
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork

X = make_data(120, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def assert_refused(model, path, match, X=X, y=None, **fit):
    before = path.read_bytes()
    model = clone(model).set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match=match) as told:
        model.fit(X, y, **fit)
    assert str(path) in str(told.value)
    assert "delete the file" in str(told.value)
    assert not hasattr(model, "module_")
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


# ------------------------------------------------------------- parameters and data

OTHER = {
    "n_components": 3,
    "network": MLP((9,)),
    "network__activation": "tanh",
    "likelihood": GaussianLikelihood("predicted"),
    "latent_density": GaussianMixture(2),
    "input_noise": 0.1,
    "learning_rate": 0.002,
    "lr_schedule": "plateau",
    "batch_size": 17,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 4,
    "precision": "bfloat16",
    "random_state": 1,
    "beta": 2.0,
    "kl_warmup": 0.3,
    "posterior": "full",
    "free_bits": 0.1,
    "n_samples": 2,
    "categorical_features": [0],
    "compile": True,
}
FREE = {"verbose": 1, "device": "auto", "distributed": False, "max_epochs": 4}
FREE |= {"warm_start": True}


def test_every_parameter_is_tried():
    assert set(small().get_params(deep=False)) <= OTHER.keys() | FREE.keys()


@pytest.mark.parametrize("name", OTHER)
def test_another_parameter_is_refused_by_name_and_with_both_values(name, path):
    model = small(kl_warmup=0.0)
    assert fit_killed(model, path, 2)
    other = clone(model).set_params(**{name: OTHER[name]})
    told = f"of a fit with {name.split('__')[0]}.*=.*, this one has {name[:3]}"
    assert_refused(other, path, told)


def test_the_message_has_both_values(path):
    assert fit_killed(small(), path, 2)
    told = "a fit with learning_rate=0.001, this one has learning_rate=0.002"
    assert_refused(small(learning_rate=0.002), path, told)


@pytest.mark.parametrize("name", FREE)
def test_what_changes_no_weight_may_differ(name, path):
    model = small(kl_warmup=0.0)
    assert fit_killed(model, path, 2)
    other = clone(model).set_params(**{name: FREE[name]})
    assert_same_fit(fit_again(other, path), clone(other).fit(X))


def test_parameters_of_the_second_stage_are_compared(path):
    model = MODELS["two stages"]
    for n_epochs in (2, 11):
        assert fit_killed(model, path, n_epochs)
        other = clone(model).set_params(second_stage__learning_rate=0.5)
        assert_refused(other, path, "second_stage__learning_rate=0.001, this one has")
        path.unlink()
    assert fit_killed(model, path, 11)
    assert_refused(clone(model).set_params(second_stage__max_epochs=2), path, "3 epoch")


def test_another_class_is_refused(path):
    assert fit_killed(small(), path, 2)
    told = "the class=VAE, this one has the class={}"
    assert_refused(small(IWAE), path, told.format("IWAE"))
    assert_refused(MODELS["two stages"], path, told.format("TwoStageVAE"))
    path.unlink()
    assert fit_killed(MODELS["two stages"], path, 10)
    assert_refused(small(), path, "the class=TwoStageVAE, this one has the class=VAE")


def layers(width, activation):
    def make(n_in, n_out):
        layer = (
            torch.nn.Linear(n_in, width),
            activation(),
            torch.nn.Linear(width, n_out),
        )
        return torch.nn.Sequential(*layer)

    return CustomNetwork(make, make)


def test_functions_are_told_apart_by_what_they_do(path):
    assert fit_killed(small(network=layers(4, torch.nn.ReLU)), path, 2)
    fit_again(small(network=layers(4, torch.nn.ReLU)), path)
    assert fit_killed(small(network=layers(4, torch.nn.ReLU)), path, 2)
    assert_refused(
        small(network=layers(5, torch.nn.ReLU)), path, "network__decoder=.*make"
    )
    path.unlink()
    assert fit_killed(small(lr_schedule=lambda o: halving(o)), path, 2)
    assert_refused(small(lr_schedule=lambda o: one_cycle(o)), path, "lr_schedule")


def test_another_network_of_the_same_words_is_refused(path):
    class Wide:
        width = 4

        def __call__(self, n_in, n_out):
            hidden = torch.nn.Linear(n_in, self.width)
            return torch.nn.Sequential(hidden, torch.nn.Linear(self.width, n_out))

    model = small(network=CustomNetwork(Wide(), Wide()))
    assert fit_killed(model, path, 2)
    Wide.width = 5
    with pytest.raises(ValueError, match=r"another network.*\(4,\).*\(5,\)"):
        fit_again(model, path)


def changed(X):
    X = X.copy()
    X[70, 3] += 1e-3
    return X


def test_other_rows_are_refused(path):
    assert fit_killed(small(), path, 2)
    for other in (X[:-1], changed(X), X[::-1], X[:, ::-1], X.astype(np.float64)):
        assert_refused(
            small(), path, r"X=rows of shape \(120, 5\), float32, digest", other
        )


def test_other_rows_to_validate_on_are_refused(path):
    X_val, model = make_data(30, 5, seed=1), small()
    with pytest.raises(Killed):
        model.set_callbacks(Checkpoint(path), Killer(2)).fit(X, X_val=X_val)
    assert_refused(small(), path, "X_val=rows of shape")
    assert_refused(small(), path, "X_val=rows of", X_val=changed(make_data(80, 5)))


def test_other_labels_are_refused(path):
    model = small(latent_density=ClassConditionalDensity())
    y = np.arange(len(X)) % 2
    assert fit_killed(model, path, 2, y=y)
    assert_refused(model, path, "with y=an array of", y=1 - y)


def test_other_images_and_other_columns_are_refused(path):
    rows = make_data(80, 64)
    assert fit_killed(small(), path, 2, rows.reshape(80, 8, 8))
    assert_refused(small(), path, r"\(8, 8\)", rows)
    path.unlink()
    frame = pd.DataFrame({"a": np.arange(80) % 3, "b": np.arange(80.0)})
    other = frame.replace({"a": {2: 3}})  # the same codes
    frame, other = (f.astype({"a": str}) for f in (frame, other))
    assert fit_killed(small(), path, 2, frame)
    assert_refused(small(), path, "the columns", other)


def test_an_earlier_fit_is_part_of_it(path):
    model = small(warm_start=True).fit(X).set_callbacks(Checkpoint(path), Killer(1))
    with pytest.raises(Killed):
        model.fit(X)
    assert_refused(
        small(warm_start=True), path, "epochs before this fit=3, this one .*=0"
    )


@pytest.mark.parametrize("change", [False, True])
def test_other_versions_are_a_warning(change, path, monkeypatch):
    assert fit_killed(small(), path, 2)
    if change:
        monkeypatch.setattr(_version, "__version__", "99.0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit_again(small(), path)
    told = [str(w.message) for w in caught if "99.0" in str(w.message)]
    assert len(told) == change
    assert_same(outputs(model, X), outputs(small().fit(X), X))


# --------------------------------------------------------------------- several fits


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_search_cannot_share_a_file(n_jobs, in_pipeline, path):
    model, name = small().set_callbacks(Checkpoint(path)), "n_components"
    if in_pipeline:
        model, name = make_pipeline(StandardScaler(), model), "vae__n_components"
    search = GridSearchCV(model, {name: [1, 2]}, cv=2, n_jobs=n_jobs)
    with pytest.raises(ValueError, match="file of one fit"):
        search.fit(X)
    with pytest.raises(ValueError, match="file of one fit"):
        cross_val_score(model, X, cv=2, n_jobs=n_jobs)
    assert os.listdir(path.parent) == []


def test_two_fits_at_once_cannot_share_a_file(path):
    begun, done, told = threading.Event(), threading.Event(), []

    class Waiting(Killer):
        def on_fit_task_end(self, estimator, context):
            begun.set()
            done.wait(60)

    one = small().set_callbacks(Checkpoint(path), Waiting(0))
    thread = threading.Thread(target=one.fit, args=(X,))
    thread.start()
    begun.wait(60)
    try:
        assert_refused(small(learning_rate=0.5), path, "learning_rate=0.001")
    finally:
        done.set()
        thread.join()
    assert not told
    assert_same_fit(one, small().fit(X))
    assert os.listdir(path.parent) == []


def test_two_fits_that_begin_at_the_same_moment_cannot_share_a_file(path, monkeypatch):
    monkeypatch.setattr(type(path), "exists", lambda self: False)  # both have looked
    assert fit_killed(small(), path, 1)
    assert_refused(small(beta=3.0), path, "beta=1.0, this one has beta=3.0")


def test_partial_fit_is_refused(path, no_training):
    model = small().set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match="Save the estimator itself"):
        model.partial_fit(X)
    assert os.listdir(path.parent) == []


def test_it_belongs_on_the_autoencoder(path, no_training):
    pipeline = make_pipeline(StandardScaler(), small())
    with pytest.raises(ValueError, match=r"pipeline\[-1\]"):
        pipeline.set_callbacks(Checkpoint(path)).fit(X)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"path": 3}, TypeError),
        ({"path": None}, TypeError),
        ({"every_n_epochs": 0}, ValueError),
        ({"every_n_epochs": 1.5}, TypeError),
        ({"seconds": -1.0}, ValueError),
        ({"seconds": "60"}, TypeError),
    ],
)
def test_parameters_are_checked(parameters, error):
    (name,) = parameters
    with pytest.raises(error, match=name):
        Checkpoint(**{"path": "run.ckpt"} | parameters)


class Interrupting(Killer):
    """Presses Ctrl-C before callbacks after it are torn down."""

    def teardown(self, estimator, context):
        raise KeyboardInterrupt


def test_a_teardown_that_is_interrupted_is_not_mistaken_for_a_fit_that_runs(path):
    checkpoint = Checkpoint(path)
    model = small().set_callbacks(Interrupting(0), checkpoint)
    with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning):
        model.fit(X)
    model.set_callbacks(checkpoint)
    with pytest.raises(ValueError, match="with X=rows"):
        model.fit(2 * X)
    assert_same_fit(model.fit(X), small().fit(X))
    assert not path.exists()
