"""Denoising: noise of the encoder's input, in training alone."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, accepted, assert_same, make_data, outputs, small
from scipy.stats import kstest
from torch import nn

from skvae import RAE, VAE, TwoStageVAE
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP

MAPPED = {"plain": (0, 1), "far": (1e6, 1), "small": (0, 1e-12), "large": (5e14, 1e13)}


class Watched(nn.Module):
    """An encoder that keeps what it sees, and whether it was in training."""

    def __init__(self, encoder, seen):
        super().__init__()
        self.encoder, self.record = encoder, seen.append  # copies record there, too

    def forward(self, x):
        self.record((self.training, x.detach().clone()))
        return self.encoder(x)


def watched(cls, X, **parameters):
    """Fit, and return (in training?, input of the encoder) of all passes."""
    seen = []

    class Watching(cls):
        def finish_module(self, module, generator):
            module = super().finish_module(module, generator)
            module.encoder = Watched(module.encoder, seen)
            return module

    Watching.__name__ = cls.__name__
    model = small(Watching, **parameters)
    return model.fit(X), seen


def standardised(model, X):
    """Return what the encoder sees of X without noise."""
    module = model.module_
    x = module.frame.read(X)
    return torch.addcmul(module.shift, module.factor, x)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_the_encoder_sees_noise_of_the_given_scale(cls):
    X = np.tile(make_data(1, 6), (200, 1)).astype(float)
    X[::2, 5] += 2  # all else is the same in every row
    options = {"batch_size": 200, "max_epochs": 20, "early_stopping": False}
    options["random_state"] = 1
    model, seen = watched(cls, X, input_noise=0.5, **options)
    clean = standardised(model, X[:1])
    noise = torch.cat([x - clean for training, x in seen if training])[:, :5].numpy()
    noise *= X[:, 5].std() / 6**0.5  # the root mean variance of all features
    assert len(noise) == 4000
    for column in noise.T:
        assert kstest(column, "norm", args=(0, 0.5)).pvalue > 1e-3
    correlations = np.corrcoef(noise.T) - np.eye(5)
    assert abs(correlations).max() < 4 / 4000**0.5


@pytest.mark.parametrize(("offset", "unit"), MAPPED.values(), ids=MAPPED)
@pytest.mark.parametrize("scale", ["global", "feature"])
def test_noise_is_in_the_units_of_x_whatever_these_are(offset, unit, scale):
    rng = np.random.default_rng(0)
    X = offset + unit * rng.normal(size=(500, 3)) * [1.0, 2.0, 5.0]
    _, seen = watched(
        VAE,
        X,
        likelihood=GaussianLikelihood(scale),
        input_noise=4 * unit,
        batch_size=500,
        max_epochs=8,
    )
    total = np.concatenate([x.numpy() for training, x in seen if training])
    spread = X.std(0) if scale == "feature" else (X.var(0).mean()) ** 0.5
    expected = np.sqrt(X.var(0) + (4 * unit) ** 2) / spread
    np.testing.assert_allclose(total.std(0), expected, rtol=0.06)


def test_validation_and_inference_see_clean_rows():
    X = make_data(100)
    model, seen = watched(VAE, X, input_noise=0.5, early_stopping=True, max_epochs=2)
    clean = standardised(model, X)
    for training, x in seen:
        is_clean = abs(x[:, None] - clean).amax(2).amin(1).max() < 1e-5
        assert training != bool(is_clean)
    assert {training for training, _ in seen} == {True, False}
    seen.clear()
    model.module_.train()
    model.module_.encode(torch.from_numpy(X))  # training is over
    assert torch.equal(seen[0][1], clean)


def test_no_noise_draws_nothing_and_noise_changes_the_fit():
    X = make_data()
    module, generator = small().fit(X).module_.train(), torch.Generator()
    x, before = torch.from_numpy(X), generator.get_state()
    with module.input_noise(0.0, generator):
        assert torch.equal(module.raw_encoding(x), module.raw_encoding(x))
        assert torch.equal(generator.get_state(), before)
    with module.input_noise(0.1, generator):
        assert not torch.equal(module.raw_encoding(x), module.raw_encoding(x))
        assert not torch.equal(generator.get_state(), before)
    a, b = small().fit(X), small(input_noise=0.1).fit(X)
    assert not np.array_equal(a.transform(X), b.transform(X))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_random_state_decides_the_noise_also_of_fits_that_go_on(cls):
    X, options = make_data(), {"input_noise": 0.3, **accepted(cls, kl_warmup=0.0)}
    whole = small(cls, max_epochs=4, **options).fit(X)
    again = small(cls, max_epochs=4, **options).fit(X)
    assert_same(outputs(again, X), outputs(whole, X))
    if cls is TwoStageVAE:
        return  # its second stage begins when the first has ended
    halves = small(cls, max_epochs=2, warm_start=True, **options).fit(X).fit(X)
    np.testing.assert_array_equal(halves.transform(X), whole.transform(X))
    chunks = small(cls, **options)
    for _ in range(4):
        chunks.partial_fit(X)
    np.testing.assert_array_equal(chunks.transform(X), whole.transform(X))


def test_the_second_stage_has_no_noise():
    X = make_data()
    model = TwoStageVAE(2, network=MLP((8,)), input_noise=0.3, max_epochs=1).fit(X)
    assert model.second_stage_.input_noise == 0.0


def test_copies_made_in_training_have_no_noise():
    X, pickled = make_data(), []
    module = small().fit(X).module_.train()
    x = torch.from_numpy(X)
    with module.input_noise(0.5, torch.Generator()):
        pickled.append(pickle.dumps(module))
        twins = [copy.deepcopy(module), pickle.loads(pickled[0])]
    expected = module.raw_encoding(x)
    for twin in twins:
        assert torch.equal(twin.train().raw_encoding(x), expected)


def linear(d, **parameters):
    """Return a linear autoencoder with a squared error, trained to its optimum."""
    return RAE(
        d,
        network=MLP(()),
        likelihood=GaussianLikelihood(0.5**0.5),
        latent_penalty=0,
        regularizer=None,
        lr_schedule="cosine",
        learning_rate=0.02,
        batch_size=400,
        max_epochs=60,
        early_stopping=False,
        random_state=0,
        device="cpu",
        **parameters,
    )


@pytest.mark.parametrize("d", [2, 4])
def test_a_linear_autoencoder_becomes_the_wiener_filter(d):
    # Of all maps of this rank, the one of least E|x - A (x + noise)|^2 shrinks the
    # largest principal components by their share of the variance of noisy rows.
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    X = rng.normal(size=(4000, 4)) * [3.0, 2.0, 1.0, 0.5] @ basis.T + [5.0, 0, -3, 1]
    noise = 1.5
    model = linear(d, input_noise=noise).fit(X)
    variances, components = np.linalg.eigh(np.cov(X.T, bias=True))
    variances, components = variances[::-1][:d], components[:, ::-1][:, :d]
    shrinkage = variances / (variances + noise**2)
    expected = components * shrinkage @ components.T
    origin = model.reconstruct(X.mean(0)[None])[0]
    learned = (model.reconstruct(X.mean(0) + np.eye(4)) - origin).T
    np.testing.assert_allclose(learned, expected, atol=0.03)
    np.testing.assert_allclose(origin, X.mean(0), atol=0.05)
    assert abs(expected - components @ components.T).max() > 0.1  # what PCA would be
