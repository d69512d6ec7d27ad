"""Losses of Wasserstein autoencoders: the discrepancy and the adversary."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel as sklearn_rbf_kernel

from skvae import WAE
from skvae._distributions.mmd import IMQ_SCALES, imq_kernel, mmd_squared, rbf_kernel
from skvae.losses import wae_gan_loss, wae_mmd_loss
from skvae.networks import MLP

SMALL = {"network": MLP(hidden_layer_sizes=(32,)), "device": "cpu", "random_state": 0}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed))


@pytest.fixture(scope="module")
def X():
    X = np.random.default_rng(0).normal(size=(200, 4))
    return (X @ np.array([[1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]]))[
        :, :4
    ].astype(np.float32)


def test_estimate_equals_a_double_loop_of_the_authors_kernel():
    x, y, d = randn(9, 3).numpy(), 0.5 + randn(6, 3, seed=1).numpy(), 3

    def k(a, b):
        r = float(((a - b) ** 2).sum())
        return sum(2 * d * s / (2 * d * s + r) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    expected = 0.0
    for points in (x, y):
        n = len(points)
        for i in range(n):
            for j in range(n):
                if i != j:
                    expected += k(points[i], points[j]) / (n * (n - 1))
    for a in x:
        for b in y:
            expected -= 2 * k(a, b) / (len(x) * len(y))
    got = mmd_squared(
        torch.from_numpy(x), torch.from_numpy(y), lambda r: imq_kernel(r, d)
    )
    assert got.item() == pytest.approx(expected, abs=1e-5)


def test_kernels_of_equal_points_and_the_rbf_of_sklearn():
    assert imq_kernel(torch.zeros(1), 5).item() == len(IMQ_SCALES) == 7
    x, y = randn(4, 3), randn(5, 3, seed=1)
    distance = torch.cdist(x, y).square()
    expected = sklearn_rbf_kernel(x.numpy(), y.numpy(), gamma=1 / (2 * 1.7))
    np.testing.assert_allclose(rbf_kernel(distance, 1.7), expected, rtol=1e-4)


def test_estimate_is_unbiased_and_may_be_negative():
    values = torch.stack(
        [
            mmd_squared(randn(20, 4, seed=i), randn(20, 4, seed=i + 1000), kernel)
            for i in range(400)
            for kernel in [lambda r: imq_kernel(r, 4)]
        ]
    )
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    assert values.min() < 0


def test_estimate_separates_distributions_and_is_bounded():
    def k(r):
        return imq_kernel(r, 2)

    near = mmd_squared(randn(200, 2), randn(200, 2, seed=1), k)
    far = mmd_squared(randn(200, 2), randn(200, 2, seed=1) + 50, k)
    assert near < 0.1
    assert 1 < far < 14


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_divergence_of_the_loss_is_the_estimate(X, kernel):
    module = WAE(2, max_epochs=1, **SMALL).fit(X).module_
    x = torch.from_numpy(X[:20])
    terms = wae_mmd_loss(
        module, x, generator=generator(5), divergence_weight=3.0, kernel=kernel
    )
    z, prior = module.encode(x).mean, randn(20, 2, seed=5)
    pairs = torch.pdist(z).square().median()
    bandwidth = torch.cdist(z, prior).square().median() + pairs
    k = {
        "imq": lambda r: imq_kernel(r, 2),
        "rbf": lambda r: rbf_kernel(r, bandwidth),
    }[kernel]
    expected = 3 * mmd_squared(z, prior, k)
    torch.testing.assert_close(terms["divergence"], expected, rtol=1e-3, atol=1e-4)
    log_p = module.decode(z).log_prob(x)
    torch.testing.assert_close(terms["reconstruction"], -log_p)


def test_a_batch_of_one_row_has_no_divergence(X):
    module = WAE(2, max_epochs=1, **SMALL).fit(X).module_
    terms = wae_mmd_loss(module, torch.from_numpy(X[:1]), generator=generator())
    assert terms["divergence"].item() == 0
    assert np.isfinite(WAE(2, max_epochs=1, **SMALL).fit(X[:1]).history_["loss"]).all()


def test_gradients_of_the_two_players_do_not_mix(X):
    module = WAE(2, divergence="gan", max_epochs=1, **SMALL).fit(X).module_
    x, d = torch.from_numpy(X[:20]), list(module.discriminator.parameters())
    e = list(module.encoder.parameters())
    terms = wae_gan_loss(module, x, generator=generator())

    def reach(term, parameters):
        gradients = torch.autograd.grad(
            term.mean(), parameters, retain_graph=True, allow_unused=True
        )
        return any(g is not None and g.abs().sum() > 0 for g in gradients)

    assert reach(terms["divergence"], e)
    assert not reach(terms["divergence"], d)
    assert reach(terms["discriminator"], d)
    assert not reach(terms["discriminator"], e)


def test_adversarial_terms_are_cross_entropies(X):
    module = WAE(2, divergence="gan", max_epochs=1, **SMALL).fit(X).module_
    x = torch.from_numpy(X[:20])
    terms = wae_gan_loss(module, x, generator=generator(5), divergence_weight=2.0)
    z, prior = module.encode(x).mean, randn(20, 2, seed=5)
    bce = torch.nn.BCEWithLogitsLoss(reduction="none")
    one, zero = torch.ones(20), torch.zeros(20)
    fooled = bce(module.discriminator(z), one)
    told = bce(module.discriminator(prior), one) + bce(module.discriminator(z), zero)
    torch.testing.assert_close(terms["divergence"], 2 * fooled)
    torch.testing.assert_close(terms["discriminator"], 2 * told)
