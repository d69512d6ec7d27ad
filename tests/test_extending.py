"""Parts and estimators of the user's own: what they may rely on."""

import inspect

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, make_data, small
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from skvae import VAE, TwoStageVAE
from skvae._distributions.normal import IsotropicNormal
from skvae.likelihoods import Likelihood
from skvae.networks import MLP, CustomNetwork, Network, make_linear

# ------------------------------------------------------------------------ parameters


class NoisyVAE(VAE):
    """A VAE with a parameter of its own, whose encoder sees noisy rows."""

    def __init__(self, n_components=16, *, noise=0.1, **parameters):
        super().__init__(n_components, **parameters)
        self.noise = noise

    def loss(self, module, x, generator, annealing):
        disturbed = x + self.noise * torch.empty_like(x).normal_(generator=generator)
        return {
            "reconstruction": -module.decode(module.encode(disturbed).mean).log_prob(x)
        }


class VeryNoisyVAE(NoisyVAE, without=("noise",)):
    def __init__(self, n_components=16, **parameters):
        super().__init__(n_components, noise=1.0, **parameters)


def test_a_subclass_has_its_own_and_all_inherited_parameters():
    assert set(NoisyVAE().get_params()) == {"noise", *VAE().get_params()}
    assert set(VeryNoisyVAE().get_params()) == set(VAE().get_params())
    assert NoisyVAE(3, noise=0.5, beta=2.0).get_params()["beta"] == 2.0


def test_a_subclass_clones_fits_and_is_searched(X):
    model = small(NoisyVAE, noise=0.2)
    assert clone(model).noise == 0.2
    search = GridSearchCV(model, {"noise": [0.0, 0.3], "beta": [1.0]}, cv=2).fit(X)
    assert set(search.best_params_) == {"noise", "beta"}


def test_inherited_parameters_stand_in_signature_and_help():
    parameters = inspect.signature(NoisyVAE).parameters
    assert list(parameters)[:2] == ["n_components", "noise"]
    assert parameters["beta"].default == 1.0
    assert parameters["max_epochs"].kind is inspect.Parameter.KEYWORD_ONLY
    assert not [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]


@pytest.mark.parametrize("cls", [*ESTIMATORS, NoisyVAE])
def test_an_unknown_parameter_is_refused_with_the_nearest_name(cls):
    with pytest.raises(
        TypeError, match=rf"{cls.__name__} .* 'max_epoch'.*'max_epochs'"
    ):
        cls(max_epoch=3)


def test_a_parameter_left_out_is_refused():
    with pytest.raises(
        TypeError, match="TwoStageVAE has no parameter 'latent_density'"
    ):
        TwoStageVAE(latent_density=None)
    assert "latent_density" not in inspect.signature(TwoStageVAE).parameters
    with pytest.raises(TypeError, match="VeryNoisyVAE has no parameter 'noise'"):
        VeryNoisyVAE(noise=0.5)
    assert VeryNoisyVAE().noise == 1.0


# ------------------------------------------------------------------------- networks


class DropNet(Network):
    def make_encoder(self, n_features, n_outputs, generator):
        linear = make_linear(n_features, n_outputs, generator)
        return nn.Sequential(nn.Dropout(0.2), linear)

    def make_decoder(self, n_components, n_outputs, generator):
        return make_linear(n_components, n_outputs, generator)


class DropMLP(MLP):
    def make_encoder(self, n_features, n_outputs, generator):
        encoder = super().make_encoder(n_features, n_outputs, generator)
        return nn.Sequential(nn.Dropout(0.2), encoder)


class PromisingNet(DropNet):
    uses_global_rng = False


@pytest.mark.parametrize("network", [DropNet(), DropMLP((8,))])
def test_dropout_in_a_network_class_is_reproducible(network, X):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    a = small(network=network).fit(X).transform(X)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    b = small(network=network).fit(X).transform(X)
    np.testing.assert_array_equal(a, b)


def test_only_a_class_itself_can_say_that_it_draws_nothing():
    assert not MLP().uses_global_rng
    assert DropMLP().uses_global_rng
    assert not PromisingNet().uses_global_rng
    assert type("Heir", (PromisingNet,), {})().uses_global_rng


# ------------------------------------------------------------------------ protocols


class Spread(Likelihood):
    """Normal with a fixed scale; its parameter has the name of a buffer of others."""

    def __init__(self, spread=0.5):
        super().__init__()
        self.spread = spread

    def build(self, summary):
        return self

    def forward(self, h):
        return IsotropicNormal(h, torch.tensor(self.spread).log())


class InUnitsOfTen(Spread):
    def encoder_scale(self, summary):
        return 10.0


def test_names_of_a_likelihoods_parameters_are_free(X):
    model = small(likelihood=Spread(0.5)).fit(X)
    expected = 1 / np.sqrt(X.astype(float).var(0).mean())
    np.testing.assert_allclose(model.module_.factor, expected, rtol=1e-5)


def test_a_likelihood_sets_the_scale_of_the_encoders_input(X):
    model = small(likelihood=InUnitsOfTen(0.5)).fit(X)
    np.testing.assert_allclose(model.module_.factor, 0.1, rtol=1e-6)
    np.testing.assert_allclose(model.module_.shift, -X.mean(0) / 10, rtol=1e-5)


class LikeLightning(nn.Linear):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.optimizers = []


def test_an_attribute_optimizers_of_a_users_module_means_nothing():
    network = CustomNetwork(encoder=LikeLightning, decoder=nn.Linear)
    X = make_data()
    assert small(network=network).fit(X).transform(X).shape == (len(X), 2)
