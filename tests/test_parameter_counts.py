"""Numbers of trainable parameters, against formulas for layers."""

import itertools
import pickle

import pytest
from conftest import ESTIMATORS, make_data, small
from torch import nn

from skvae import TwoStageVAE
from skvae.diagnostics import parameter_counts
from skvae.networks import MLP, CustomNetwork
from skvae.posteriors import FlowPosterior


def dense(*sizes):
    """Return the number of weights and biases of layers between these sizes."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize("hidden", [(), (400,), (40, 20, 10)])
def test_of_perceptrons_is_a_sum_over_layers(hidden):
    X = make_data()
    model = small(network=MLP(hidden, skip=False)).fit(X)
    found = parameter_counts(model)
    assert found.encoder == dense(5, *hidden, 4)
    assert found.decoder == dense(2, *reversed(hidden), 5)
    assert found.total == found.encoder + found.decoder
    full = small(network=MLP(hidden, skip=False), posterior="full").fit(X)
    assert parameter_counts(full).encoder == dense(5, *hidden, 5)


def test_linear_paths_count():
    with_path, without = (
        parameter_counts(small(network=MLP((8,), skip=skip)).fit(make_data()))
        for skip in (True, False)
    )
    assert with_path.encoder - without.encoder == 5 * 4
    assert with_path.decoder - without.decoder == 2 * 5


def test_flows_count_with_the_encoder():
    flow = FlowPosterior("autoregressive", n_flows=2, n_hidden=6)
    model = small(posterior=flow, network=MLP((), skip=False)).fit(make_data())
    flows = 2 * (2 * 6 + 6 * 4 + 4)  # masked weights of two layers, and biases
    assert parameter_counts(model).encoder == dense(5, 2 * 2 + 6) + flows


def test_frozen_layers_do_not_count_and_shared_ones_count_once():
    shared, frozen = nn.Linear(4, 4), nn.Linear(4, 4)
    frozen.requires_grad_(False)
    encoder = nn.Sequential(nn.Linear(5, 4), frozen, shared)
    decoder = nn.Sequential(nn.Linear(2, 4), shared, nn.Linear(4, 5))
    model = small().fit(make_data())
    model.module_.encoder, model.module_.decoder = encoder, decoder
    found = parameter_counts(model)
    assert found == (24 + 20, 12 + 20 + 25, 24 + 20 + 12 + 25)


def test_an_own_network_counts():
    own = CustomNetwork(encoder=nn.Linear, decoder=nn.Linear)
    assert parameter_counts(small(network=own).fit(make_data())) == (24, 15, 39)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_model_has_it_and_keeps_it_when_loaded(cls):

    model = small(cls).fit(make_data())
    found = parameter_counts(model)
    assert all(type(n) is int and n > 0 for n in found)
    assert parameter_counts(pickle.loads(pickle.dumps(model))) == found


def test_stages_are_counted_apart():
    model = small(TwoStageVAE).fit(make_data())
    assert parameter_counts(model) == parameter_counts(small().fit(make_data()))
    second = parameter_counts(model.second_stage_)
    assert second.encoder == dense(2, 8, 4) + 2 * 4
