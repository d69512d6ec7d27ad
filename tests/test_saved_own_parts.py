"""Parts of the user's own are supplied again to a model that is loaded."""

import warnings

import numpy as np
import pytest
import torch
from conftest import SMALL, assert_same, make_data, outputs, small
from mixed_frames import assert_equal, make_frame
from saved_models import supplied_by, through_file
from sklearn.base import BaseEstimator, clone
from torch import nn

import skvae
from skvae.likelihoods import ColumnLikelihood, GaussianLikelihood, LaplaceLikelihood
from skvae.networks import MLP, CustomNetwork, Network
from skvae.posteriors import DiagonalPosterior


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


class Tanh(nn.Module):
    """A layer that no file can name, with a function and a buffer of its own."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.register_buffer("twice", torch.tensor(2.0))
        self.function = lambda x: torch.tanh(x) * self.twice

    def forward(self, x):
        return self.layer(self.function(x))


def make(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 7), nn.BatchNorm1d(7), Tanh(7, n_out))


def make_wider(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 9), nn.BatchNorm1d(9), Tanh(9, n_out))


def own_network(make=make):
    return CustomNetwork(encoder=make, decoder=make)


class OwnNetwork(Network):
    """A network of the user's own class, which has parameters."""

    def __init__(self, width=7):
        self.width = width

    def make_encoder(self, n_features, n_outputs, generator):
        return self._make(n_features, n_outputs, generator)

    def make_decoder(self, n_components, n_outputs, generator):
        return self._make(n_components, n_outputs, generator)

    def _make(self, n_in, n_out, generator):
        modules = nn.Linear(n_in, self.width), Tanh(self.width, n_out)
        for module in modules:
            for p in module.parameters():
                p.data.normal_(0, 0.3, generator=generator)
        return nn.Sequential(*modules)


class OwnLikelihood(GaussianLikelihood):
    """A likelihood with attributes and a buffer of its own."""

    def build(self, summary):
        super().build(summary)
        self.lengths_ = {"n": summary.n_features, ("a", 1): [1.5, float("nan")]}
        self.register_buffer("extra", torch.arange(3))
        return self


class OwnPosterior(DiagonalPosterior):
    """A posterior with a weight of its own."""

    def build(self, n_components, generator):
        self.weight = nn.Parameter(torch.randn(n_components, generator=generator))
        return self

    def forward(self, h):
        mean, rest = h.chunk(2, dim=-1)
        return super().forward(torch.cat([mean + self.weight, rest], dim=-1))


class OwnDensity(BaseEstimator):
    """A normal density whose parameters are learned."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        self.mean_, self.covariance_ = X.mean(0), self.factor * np.cov(X.T)
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.default_rng(random_state)
        return rng.multivariate_normal(self.mean_, self.covariance_, n_samples)

    def score_samples(self, X):
        d = X - self.mean_
        return -0.5 * (d @ np.linalg.inv(self.covariance_) * d).sum(1)


class OwnVAE(skvae.VAE):
    """An estimator of the user's own class."""

    def __init__(self, n_components=2, *, weight=1.0, **parameters):
        super().__init__(n_components, **parameters)
        self.weight = weight


def halve(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


def second(**params):
    return skvae.VAE(2, **{"network": MLP((8,)), "max_epochs": 2, **params})


MODELS = {
    "functions": small(network=own_network()),
    "network": small(network=OwnNetwork(5)),
    "spectral": small(skvae.RAE, network=own_network(), regularizer="spectral_norm"),
    "adversary": small(skvae.WAE, network=own_network(), divergence="gan"),
    "likelihood": small(likelihood=OwnLikelihood("feature")),
    "posterior": small(posterior=OwnPosterior()),
    "density": small(latent_density=OwnDensity(1.5)),
    "schedule": small(lr_schedule=halve),
    "estimator": OwnVAE(weight=2.0, **{**SMALL, "network": own_network()}),
    "two stages": small(
        skvae.TwoStageVAE,
        network=own_network(),
        lr_schedule=halve,
        second_stage=second(network=OwnNetwork(), likelihood=OwnLikelihood()),
    ),
    "default stage": small(
        skvae.TwoStageVAE, lr_schedule=lambda o: halve(o), max_epochs=1
    ),
    "density is a VAE": small(latent_density=second(network=OwnNetwork())),
    "all": small(
        network=OwnNetwork(),
        likelihood=OwnLikelihood(),
        posterior=OwnPosterior(),
        latent_density=OwnDensity(),
    ),
}
NAMES = {
    "functions": ["network"],
    "two stages": [
        "lr_schedule",
        "network",
        "second_stage__likelihood",
        "second_stage__network",
    ],
    "default stage": ["lr_schedule"],
    "density is a VAE": ["latent_density__network"],
    "estimator": ["estimator", "network"],
}


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


def saved(path, **params):
    model = small(**params).fit(make_data())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def test_missing_parts_are_named(path):
    saved(path, network=own_network(), lr_schedule=halve)
    with pytest.raises(ValueError, match=r"not hold 'lr_schedule' \(function\)\."):
        skvae.load(path, parts={"network": own_network()})
    with pytest.raises(ValueError, match=r"\(function\), 'network' \(CustomNetwork\)"):
        skvae.load(path)


def test_parts_that_the_file_holds_are_refused(path):
    saved(path)
    with pytest.raises(ValueError, match="holds 'network' itself"):
        skvae.load(path, parts={"network": own_network()})


def test_parts_must_be_a_dict(path):
    saved(path, network=own_network())
    with pytest.raises(TypeError, match=r"must be a dict.*CustomNetwork"):
        skvae.load(path, parts=own_network())


def test_network_of_other_shapes_is_refused(path):
    saved(path, network=own_network())
    shapes = r"encoder.*0\.weight has shape \(9, 5\) here and \(7, 5\) there"
    with pytest.raises(ValueError, match=shapes):
        skvae.load(path, parts={"network": own_network(make_wider)})


def test_network_of_other_layers_is_refused(path):
    saved(path, network=own_network())
    other = CustomNetwork(encoder=make, decoder=nn.Linear)
    with pytest.raises(ValueError, match=r"decoder.*shape none (here|.*there)"):
        skvae.load(path, parts={"network": other})


def test_network_that_is_none_is_refused(path):
    saved(path, network=own_network())
    with pytest.raises(ValueError, match="'network' parameter must be"):
        skvae.load(path, parts={"network": 3})


@pytest.mark.parametrize(
    ("name", "part", "other"),
    [
        ("likelihood", OwnLikelihood(), GaussianLikelihood()),
        ("posterior", OwnPosterior(), DiagonalPosterior()),
        ("latent_density", OwnDensity(), second()),
    ],
)
def test_part_of_another_class_is_refused(name, part, other, path):
    saved(path, **{name: part})
    kind = type(part).__qualname__
    with pytest.raises(ValueError, match=rf"parts\['{name}'\] must be.*{kind}"):
        skvae.load(path, parts={name: other})


class WithFunction(OwnDensity):
    """A density that learns something that is no data."""

    def fit(self, X, y=None):
        self.function_ = lambda x: x
        return super().fit(X)


class WithSlots:
    """An object that has more than attributes."""

    __slots__ = ("a",)


class WithObject(OwnDensity):
    """A density that learns an object of another class."""

    def fit(self, X, y=None):
        self.inner_ = WithSlots()
        return super().fit(X)


@pytest.mark.parametrize(
    ("density", "found"),
    [
        (WithFunction(), r"_density\.function_ .*skvae does not know function as data"),
        (WithObject(), r"_density\.inner_ .*skvae does not know WithSlots as data"),
    ],
)
def test_what_is_no_data_is_named_before_anything_is_written(density, found, X, path):
    path.write_bytes(b"before")
    model = small(latent_density=density).fit(X)
    with pytest.raises(TypeError, match=rf"(?s)VAE cannot be saved.*{found}.*joblib"):
        model.save(path)
    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]


def test_hook_of_a_module_is_named(X, path):
    model = small().fit(X)
    model.module_.encoder.register_forward_hook(lambda *_: None)
    with pytest.raises(TypeError, match=r"module_\._modules\.encoder.*has hooks"):
        model.save(path)


def test_compiled_network_is_saved_without_what_was_compiled(X, path):
    model = small().fit(X)
    before = outputs(model, X)
    model.module_.encoder.compile()
    model.save(path)
    assert_same(outputs(skvae.load(path), X), before)
