"""Parts of the user's own are supplied again to a model that is loaded."""

import warnings

import numpy as np
import pytest
import torch
from conftest import assert_same, outputs, small
from mixed_frames import assert_equal, make_frame
from own_parts import (
    MODELS,
    NAMES,
    OwnLikelihood,
    OwnNetwork,
    halve,
    make,
    own_network,
)
from saved_models import supplied_by, through_file
from sklearn.base import clone

import skvae
from skvae.likelihoods import ColumnLikelihood, LaplaceLikelihood

pytestmark = pytest.mark.filterwarnings("ignore:The file .* does not hold")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


@pytest.mark.parametrize("name", MODELS)
def test_model_with_own_parts_says_the_same(name, X, path):
    model = clone(MODELS[name]).fit(X)
    before = outputs(model, X)
    loaded = through_file(model, path)
    assert_same(outputs(loaded, X), before)
    if name in NAMES:
        assert sorted(supplied_by(model, path)) == NAMES[name]
    assert loaded.module_.training == model.module_.training
    assert_same(outputs(model, X), before)


@pytest.mark.parametrize("name", MODELS)
def test_model_with_own_parts_goes_on(name, X, path):
    model = clone(MODELS[name]).fit(X)
    loaded = through_file(model, path).partial_fit(X)
    assert loaded.n_epochs_ == model.n_epochs_ + 1
    assert_same(outputs(loaded.fit(X), X), outputs(clone(MODELS[name]).fit(X), X))


def test_network_may_be_made_by_a_function_of_another_name(X, path):
    def renamed(n_in, n_out):
        return make(n_in, n_out)

    model = small(network=own_network()).fit(X)
    model.save(path)
    loaded = skvae.load(path, parts={"network": own_network(renamed)})
    assert_same(outputs(loaded, X), outputs(model, X))
    assert loaded.partial_fit(X).n_epochs_ == 4


def test_weights_of_batch_normalisation_are_kept(X, path):
    model = small(network=own_network()).fit(X)
    loaded = through_file(model, path)
    assert_same_state(loaded.module_.encoder, model.module_.encoder)
    assert float(loaded.module_.encoder[1].num_batches_tracked) > 0


def assert_same_state(module, expected):
    state = module.state_dict()
    assert all(torch.equal(state[k], v) for k, v in expected.state_dict().items())


def test_loading_leaves_the_supplied_parts_as_they_were(X, path):
    network = OwnNetwork()
    likelihood = OwnLikelihood()
    model = small(network=network, likelihood=likelihood).fit(X)
    model.save(path)
    parts = {"network": network, "likelihood": likelihood}
    loaded = skvae.load(path, parts=parts)
    assert loaded.network is network
    assert loaded.likelihood is likelihood
    assert not hasattr(likelihood, "lengths_")
    assert loaded.likelihood_.lengths_["n"] == X.shape[1]
    assert type(loaded.likelihood_) is OwnLikelihood


def test_loading_uses_no_global_random_state(X, path):
    model = small(network=own_network()).fit(X)
    model.save(path)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    skvae.load(path, parts={"network": own_network()})
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])


def test_own_likelihood_of_a_column_is_found_in_the_supplied_one(path):
    class Own(LaplaceLikelihood):
        pass

    frame = make_frame()
    likelihood = ColumnLikelihood(likelihoods=[("age", Own(), ["age"])])
    model = small(likelihood=likelihood).fit(frame)
    loaded = through_file(model, path)
    assert_equal(loaded.sample(5, random_state=0), model.sample(5, random_state=0))


def test_parameter_that_is_a_function_may_be_another_when_loaded(X, path):
    model = small(lr_schedule=lambda optimizer: halve(optimizer)).fit(X)
    model.save(path)
    loaded = skvae.load(path, parts={"lr_schedule": "constant"})
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert_same(outputs(loaded.fit(X), X), outputs(small().fit(X), X))


def test_saving_names_what_the_file_does_not_hold(X, path):
    model = small(network=own_network(), lr_schedule=halve).fit(X)
    with pytest.warns(UserWarning, match="does not hold") as record:
        model.save(path)
    (message,) = [str(w.message) for w in record]
    assert "'lr_schedule' (function), 'network' (CustomNetwork)" in message
    assert 'parts={"lr_schedule": ..., "network": ...}' in message
    assert record[0].filename == __file__


def test_saving_says_nothing_if_nothing_is_missing(fitted, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.save(path)
