"""Encoders and decoders of the user's own that break the contract, or keep it oddly."""

import pickle
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_data, small
from torch import nn

from skvae import RAE, VAE
from skvae.likelihoods import Likelihood
from skvae.networks import CustomNetwork, Network

X = make_data(40, 5)


def ending(*last):
    return lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, n_out), *last)


class Ends(nn.Module):
    """A module that ends in a function instead of a layer."""

    def __init__(self, n_in, n_out, end):
        super().__init__()
        self.layer, self.end = nn.Linear(n_in, n_out), end

    def forward(self, x):
        return self.end(self.layer(x))


class OwnNetwork(Network):
    """A network class around two functions that make modules."""

    def __init__(self, encoder=nn.Linear, decoder=nn.Linear):
        self.encoder, self.decoder = encoder, decoder

    def make_encoder(self, n_features, n_outputs, generator):
        return self.encoder(n_features, n_outputs)

    def make_decoder(self, n_components, n_outputs, generator):
        return self.decoder(n_components, n_outputs)


BOTH = pytest.mark.parametrize("cls", [CustomNetwork, OwnNetwork])
CONFINED = {
    "Sigmoid": ending(nn.Sigmoid()),
    "Tanh": ending(nn.Tanh(), nn.Dropout(0.1), nn.Identity(), nn.Flatten()),
    "ReLU": ending(nn.ReLU(inplace=True)),
    "Softmax": ending(nn.Softmax(1)),
    "LogSoftmax": ending(nn.LogSoftmax(1)),
    "Hardtanh": ending(nn.Hardtanh()),
    "Hardsigmoid": ending(nn.Hardsigmoid()),
    "Softplus": ending(nn.Sequential(nn.Softplus())),
    "ELU": ending(nn.ELU()),
    "clamp": lambda i, o: Ends(i, o, lambda h: h.clamp(0, 1)),
    "clamp at the top": lambda i, o: Ends(i, o, lambda h: h.clamp(max=1)),
    "Threshold": lambda i, o: Ends(i, o, lambda h: F.threshold(h, 0, 0)),
    "GELU": ending(nn.GELU()),
    "SiLU": ending(nn.SiLU()),
    "Mish": ending(nn.Mish()),
    "Hardswish": ending(nn.Hardswish()),
    "CELU": ending(nn.CELU()),
    "atan": lambda i, o: Ends(i, o, torch.atan),
    "erf": lambda i, o: Ends(i, o, torch.erf),
    "sin": lambda i, o: Ends(i, o, torch.sin),
    "cos": lambda i, o: Ends(i, o, torch.cos),
    "sqrt": lambda i, o: Ends(i, o, lambda h: (h.abs() + 1).sqrt()),
    "Sigmoid of parts": lambda i, o: Ends(
        i, o, lambda h: torch.cat([h[:, :2].sigmoid(), h[:, 2:].sigmoid()], 1)
    ),
    "exp": lambda i, o: Ends(i, o, torch.exp),
    "Sigmoid of a function": lambda i, o: Ends(i, o, torch.sigmoid),
    "Tanh to an interval": lambda i, o: Ends(i, o, lambda h: 0.5 * (F.tanh(h) + 1)),
}
FREE = {
    "linear": ending(),
    "activation within": ending(nn.Sigmoid(), nn.Linear(5, 5)),
    "skip": lambda i, o: Ends(i, o, lambda h: h + torch.sigmoid(h)),
    "leaky": ending(nn.LeakyReLU()),
    "Sigmoid of one part": lambda i, o: Ends(
        i, o, lambda h: torch.cat([h[:, :2].sigmoid(), h[:, 2:]], 1)
    ),
}


@BOTH
@pytest.mark.parametrize(("name", "decoder"), CONFINED.items())
def test_decoder_that_cannot_reach_the_data_warns(cls, name, decoder):
    end = name.split()[0]
    with pytest.warns(UserWarning, match=rf"decoder of \w+ ends in {end}, .*Leave the"):
        small(network=cls(encoder=nn.Linear, decoder=decoder)).fit(X)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("decoder", FREE.values(), ids=FREE)
def test_other_decoders_do_not_warn(decoder):
    network = CustomNetwork(encoder=nn.Linear, decoder=decoder)
    small(n_components=5, network=network).fit(X)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_warning_leaves_module_and_gradients_alone(frozen):
    decoder = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Sigmoid())
    decoder.requires_grad_(not frozen)
    before = {k: v.clone() for k, v in decoder.state_dict().items()}
    with pytest.warns(UserWarning, match="ends in Sigmoid"):
        small(network=CustomNetwork(encoder=nn.Linear, decoder=decoder)).fit(X)
    for name, value in decoder.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None for p in decoder.parameters())


class Rates(Likelihood):
    """A likelihood of the user's own, whose decoder says rates themselves."""

    discrete = True

    def build(self, summary):
        return self

    def forward(self, h):
        return Poisson(h)


class Poisson:
    def __init__(self, mean):
        self.mean = mean

    def log_prob(self, x):
        return (x * self.mean.log() - self.mean - torch.lgamma(x + 1)).sum(-1)

    def sample(self, generator):
        return torch.poisson(self.mean, generator=generator)


@pytest.mark.filterwarnings("error::UserWarning")
def test_own_likelihood_says_itself_what_the_output_means():
    network = CustomNetwork(encoder=nn.Linear, decoder=ending(nn.Softplus()))
    small(network=network, likelihood=Rates()).fit(np.round(5 * X))


RETURNS = {
    "tuple of 2": lambda h: tuple(h.chunk(2, -1)),
    "list of 1": lambda h: [h],
    "dict": lambda h: {"mean": h},
    "Normal": lambda h: torch.distributions.Normal(h, 1.0),
    "NoneType": lambda h: None,
}


@BOTH
@pytest.mark.parametrize(("name", "end"), RETURNS.items())
def test_encoder_that_returns_no_tensor_is_told_what_to_return(cls, name, end):
    network = cls(encoder=lambda i, o: Ends(i, o, end), decoder=nn.Linear)
    message = rf"encoder of {cls.__name__} must return one tensor of shape \(n, 4\)"
    message += rf", but it returns a {name}\. .*torch\.cat\(\[mean, log_scale\]"
    with pytest.raises(TypeError, match=message):
        small(network=network).fit(X)


@BOTH
def test_decoder_that_returns_no_tensor_is_told_what_to_return(cls):
    decoder = lambda i, o: Ends(i, o, lambda h: (h, h))  # noqa: E731
    with pytest.raises(TypeError, match=r"decoder of \w+ must.*tuple of 2\. .*mean"):
        small(network=cls(encoder=nn.Linear, decoder=decoder)).fit(X)


def test_network_class_with_a_wrong_shape_is_told_the_right_one():
    network = OwnNetwork(encoder=lambda i, o: nn.Linear(i, o + 1))
    with pytest.raises(ValueError, match=r"OwnNetwork must map \(n, 5\) to \(n, 4\)"):
        small(network=network).fit(X)


def normalised(*norms):
    def make(n_in, n_out):
        return nn.Sequential(
            nn.Linear(n_in, 8), *(norm() for norm in norms), nn.Linear(8, n_out)
        )

    return make


def pictures(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 8),
        nn.Unflatten(1, (8, 1, 1)),
        nn.BatchNorm2d(8),
        nn.Flatten(),
        nn.Linear(8, n_out),
    )


NORMALISED = {
    "1d": normalised(lambda: nn.BatchNorm1d(8)),
    "without weights": normalised(lambda: nn.BatchNorm1d(8, affine=False)),
    "twice": normalised(lambda: nn.BatchNorm1d(8), lambda: nn.BatchNorm1d(8)),
    "2d": pictures,
}


@BOTH
@pytest.mark.parametrize("maker", NORMALISED.values(), ids=NORMALISED)
@pytest.mark.parametrize("estimator", [VAE, RAE])
def test_batch_normalisation_copes_with_one_row(cls, maker, estimator):
    network = cls(encoder=maker, decoder=maker)
    model = small(estimator, network=network, max_epochs=1)
    model.set_params(batch_size=1).fit(X[:8])  # batches of one
    model.set_params(batch_size=2).fit(X[:7])  # the last is of one
    model.fit(X).partial_fit(X[:1])
    model.set_params(early_stopping=True).fit(X[:2])
    again = pickle.loads(pickle.dumps(model.module_.encoder))
    x = torch.zeros(3, 5)
    assert torch.equal(again(x), model.module_.encoder(x))


def test_one_row_is_normalised_by_the_averages_and_others_as_ever():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = small(
            network=CustomNetwork(encoder=NORMALISED["1d"], decoder=nn.Linear)
        ).fit(X)
    ours = model.module_.encoder[1].train()
    theirs = nn.BatchNorm1d(8)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(6, 8)
    assert isinstance(ours, nn.BatchNorm1d)
    assert torch.equal(ours(x[:1]), theirs.eval()(x[:1]))
    assert torch.equal(ours(x), theirs.train()(x))
    assert torch.equal(ours.running_var, theirs.running_var)
