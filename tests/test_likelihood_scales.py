"""Where learned scales start and end, what is recorded, and which data are refused."""

import numpy as np
import pytest
import torch
from conftest import small

from skvae._distributions.observations import DiscretizedLogistic
from skvae._utils.rows import summarise
from skvae.likelihoods import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
)

UNLIKE = np.random.default_rng(0).normal(size=(200, 3)) * [0.01, 1.0, 100.0]
SCALED = [GaussianLikelihood, LaplaceLikelihood]


@pytest.mark.parametrize("cls", SCALED)
@pytest.mark.parametrize(("scale", "share"), [("feature", 1e-2), ("global", 1e-4)])
def test_lowest_scale_is_a_share_of_the_data_s_own(cls, scale, share):
    likelihood = cls(scale=scale).build(summarise(UNLIKE))
    (update,) = likelihood.optimizers()
    own = UNLIKE.std(0) if scale == "feature" else np.sqrt(UNLIKE.var(0).mean())
    for _ in range(400):  # without any error, a scale falls as far as it may
        likelihood.log_scale.grad = torch.full_like(
            likelihood.log_scale, float(update.count)
        )
        update.step()
    np.testing.assert_allclose(likelihood.scale_, share * own, rtol=1e-5)


@pytest.mark.parametrize("cls", SCALED)
def test_lowest_predicted_scale_is_a_share_of_the_features_own(cls):
    likelihood = cls(scale="predicted").build(summarise(UNLIKE))
    p = likelihood(torch.full((1, 6), -50.0))
    np.testing.assert_allclose(p.log_scale.exp()[0], 1e-2 * UNLIKE.std(0), rtol=1e-5)


@pytest.mark.parametrize("cls", SCALED)
@pytest.mark.parametrize("scale", ["feature", "predicted"])
def test_scales_by_feature_start_in_the_unit_of_the_feature(cls, scale):
    likelihood = cls(scale=scale).build(summarise(UNLIKE))
    p = likelihood(torch.zeros(1, 3 * likelihood.outputs_per_feature))
    scales = np.broadcast_to(p.log_scale.detach().exp(), (1, 3))[0]
    np.testing.assert_allclose(scales, np.exp(-1) * UNLIKE.std(0), rtol=1e-5)


def test_recorded_scale_of_many_is_their_root_mean_square():
    likelihood = GaussianLikelihood(scale="feature")
    vae = small(likelihood=likelihood, early_stopping=False).fit(UNLIKE)
    expected = np.sqrt(np.mean(vae.likelihood_.scale_**2))
    assert vae.history_["scale"][-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    "likelihood", [BernoulliLikelihood(), ContinuousBernoulliLikelihood()]
)
def test_only_rounding_may_leave_the_unit_interval(likelihood):
    X = np.array([[0.0, 0.5], [1.0, 0.5]])
    likelihood.check_support(X + 5e-7)
    for shift in (1e-5, -1e-5):
        with pytest.raises(ValueError, match=r"needs X in \[0, 1\]"):
            likelihood.check_support(X + shift)


def test_only_rounding_may_leave_a_level():
    likelihood = DiscretizedLogisticLikelihood(n_levels=5, low=-1.0, high=3.0)
    X = np.array([[-1.0, 0.0], [3.0, 2.0]])
    likelihood.check_support(X + 1e-3)
    for shift in (0.02, -0.02, 0.4):
        with pytest.raises(ValueError, match="on 5 even levels"):
            likelihood.check_support(X + shift)


@pytest.mark.parametrize("loc", [-1.0, 0.3, 2.9])
@pytest.mark.parametrize("log_scale", [-3.0, 0.0])
def test_mean_of_levels_is_their_weighted_sum_wherever_they_begin(loc, log_scale):
    low, high, n = -1.0, 3.0, 41
    p = DiscretizedLogistic(
        torch.full((1,), loc), torch.tensor(log_scale), low, high, n
    )
    levels = torch.linspace(low, high, n)
    weights = p.log_prob(levels[:, None]).exp()
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    step = (high - low) / (n - 1)
    assert float(p.mean) == pytest.approx(float(weights @ levels), abs=step / 2)
