"""One row far from all others does not decide a fit."""

import numpy as np
import pytest
import torch
from torch import nn

from skvae import RAE, VAE, TwoStageVAE
from skvae._training.held_out import robust_mean
from skvae._utils.random import Stream, draw_seed, make_generator
from skvae._utils.rows import summarise
from skvae.likelihoods import GaussianLikelihood, LaplaceLikelihood
from skvae.networks import MLP
from skvae.posteriors import (
    DiagonalPosterior,
    FlowPosterior,
    FullCovariancePosterior,
    IsotropicPosterior,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 2)) @ RNG.normal(size=(2, 5))
X += 0.1 * RNG.normal(size=X.shape)


def with_value(value):
    rows = X.copy()
    rows[7, 2] = value
    return rows


@pytest.mark.slow
def test_second_stage_is_not_that_of_one_row():
    rows = np.random.default_rng(0).normal(size=(400, 5))
    rows[7, 2] = 20
    small = VAE(2, network=MLP((32,), skip=False), kl_warmup=0, max_epochs=60)
    model = TwoStageVAE(
        2, second_stage=small, network=MLP((32,)), max_epochs=30, random_state=0
    ).fit(rows)
    assert np.abs(model.sample(2000, random_state=0)).max() < 30
    assert model.second_stage_.likelihood_.scale_.max() < 3


@pytest.mark.slow
@pytest.mark.parametrize("cls", [VAE, RAE])
@pytest.mark.parametrize("value", [100, 1000])
@pytest.mark.filterwarnings("ignore:Column 2 of X")
def test_learned_scale_is_not_that_of_one_row(cls, value):
    rows = with_value(value)
    model = cls(2, max_epochs=60, random_state=0).fit(rows)
    alone = value / np.sqrt(rows.size)  # the root mean square of that value
    assert model.likelihood_.scale_.max() < 0.15 * alone


@pytest.mark.parametrize("cls", [GaussianLikelihood, LaplaceLikelihood])
@pytest.mark.parametrize("scale", ["global", "feature"])
def test_gradient_of_the_scale_is_bounded_row_by_row(cls, scale):
    likelihood = cls(scale).build(summarise(X))
    h = torch.zeros(len(X), X.shape[1])
    x = torch.from_numpy(X).float()

    def gradient(x):
        likelihood.log_scale.grad = None
        (-likelihood(h).log_prob(x).mean()).backward()
        return likelihood.log_scale.grad

    ordinary = gradient(x)
    x[7] = 1e8
    count = X.shape[1] if scale == "global" else 1
    # A row counts for at most a hundred.
    assert (ordinary - gradient(x)).abs().max() < 101 * count / len(X)


@pytest.mark.parametrize("cls", [GaussianLikelihood, LaplaceLikelihood])
@pytest.mark.parametrize("scale", ["global", "feature"])
def test_gradient_of_the_scale_is_that_of_the_loss_for_ordinary_rows(cls, scale):
    likelihood = cls(scale).build(summarise(X))
    h, x = torch.zeros(2, len(X), X.shape[1]), torch.from_numpy(X).float()
    (-likelihood(h).log_prob(x).mean()).backward()
    free = nn.Parameter(likelihood.log_scale.detach().clone())
    loc = likelihood.location(h)
    (-likelihood.distribution(loc, free).log_prob(x).mean()).backward()
    torch.testing.assert_close(
        likelihood.log_scale.grad, free.grad, rtol=1e-4, atol=1e-4
    )


@pytest.mark.filterwarnings("ignore:Column 1 of X")
def test_early_stopping_survives_an_outlier_that_it_validates_on():
    rows = np.random.default_rng(0).normal(size=(200, 5))
    network = MLP((32,), skip=False)
    options = {"network": network, "early_stopping": True, "random_state": 0}
    order = torch.randperm(200, generator=make_generator(draw_seed(0), Stream.SPLIT))
    rows[order[0], 1] = 1000  # the first row that is held out
    model = VAE(2, max_epochs=60, **options).fit(rows)
    losses = model.history_["validation_loss"]
    assert losses.argmin() > 5
    assert losses.max() < 1e3


def test_validation_is_not_decided_by_one_row():
    losses = torch.tensor([1.0, 2.0, 3.0, 4.0, 1e9])
    assert robust_mean(losses) < 10
    assert robust_mean(losses[:4]) == 2.5
    assert robust_mean(torch.tensor([1.0, 1.0, 1.0, 1.0, 5.0])) == pytest.approx(1.8)


@pytest.mark.parametrize(
    "posterior",
    [
        DiagonalPosterior(),
        IsotropicPosterior(),
        FullCovariancePosterior(),
        FlowPosterior(),
        FlowPosterior("autoregressive"),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [1e2, 1e6])
def test_posteriors_stay_finite_however_far_the_encoder_goes(posterior, size):
    generator = torch.Generator().manual_seed(0)
    h = size * torch.randn((200, posterior.n_outputs(3)), generator=generator)
    q = posterior.build(3, generator)(h)
    noise = torch.randn((200, 3), generator=generator)
    assert torch.isfinite(q.rsample(noise)).all()
    if hasattr(q, "kl_to_standard_normal"):
        assert torch.isfinite(q.kl_to_standard_normal()).all()
    if hasattr(q, "rsample_with_log_prob"):
        assert torch.isfinite(q.rsample_with_log_prob(noise)[1]).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_says_in_which_stage():
    second = VAE(2, network=MLP((8,)), learning_rate=1e30, max_epochs=2)
    model = TwoStageVAE(2, second_stage=second, network=MLP((8,)), max_epochs=1)
    with pytest.raises(FloatingPointError, match=r"second stage.*`second_stage`"):
        model.fit(X)
    with pytest.raises(FloatingPointError, match=r"first stage.*learning_rate"):
        model.set_params(learning_rate=1e30).fit(X)


def test_default_two_stages_survive_an_outlier():
    rows = np.random.default_rng(0).normal(size=(400, 5))
    rows[7, 2] = 20
    second = VAE(2, network=MLP((64,) * 3, skip=False), kl_warmup=0, max_epochs=10)
    model = TwoStageVAE(2, second_stage=second, max_epochs=5, random_state=0).fit(rows)
    assert np.abs(model.sample(500, random_state=0)).max() < 100
