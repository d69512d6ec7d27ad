"""Networks with a linear path start at probabilistic PCA of the rows to train on."""

import numpy as np
import pytest
import torch
from conftest import IMAGE_NETWORKS, small
from scipy import stats
from sklearn.decomposition import PCA

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._training import start
from skvae._training.epochs import Epochs
from skvae._training.held_out import split_rows
from skvae._training.linear_start import most_rows, start_at_pca
from skvae._training.parts import new_module
from skvae._utils.random import draw_seed
from skvae.likelihoods import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
)
from skvae.networks import MLP

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3)) @ RNG.normal(size=(3, 8))
X += 0.3 * RNG.normal(size=X.shape)
UNITS = np.array([1e-1, 1, 1e3, 1, 10, 1, 3, 1])


def linear(**params):
    """Return a VAE whose likelihood is that of probabilistic PCA."""
    likelihood = GaussianLikelihood("global", bounds=None)
    return VAE(**{"likelihood": likelihood, "network": MLP((8,)), **params})


def module_at_start(rows, model=None, seed=0, **params):
    """Return the module of a model as training begins."""
    model = linear(**params) if model is None else model
    module = new_module(model, model.network, rows, torch.Generator().manual_seed(seed))
    start_at_pca(module, rows, seed)
    return module.eval()


def elbo(module, rows):
    """Return the evidence lower bound of every row, from antithetic draws.

    In place of all other noise stands +-1 of every component in turn, times the root of
    their number: quadratic functions then have their exact mean.
    """
    d = module.n_components
    noise = np.sqrt(d) * torch.cat([torch.eye(d), -torch.eye(d)])
    with torch.no_grad():
        x = module.frame.read(rows)
        q = module.encode(x)
        z = q.rsample(noise[:, None].expand(-1, len(x), -1))
        log_p = module.decode(z).log_prob(x).double().mean(0)
        value = log_p - q.kl_to_standard_normal().double().sum(-1)
    return value.numpy() - module.frame.log_volume(rows)


def pca_log_density(rows, d, floor=0.01):
    """Return log p(x) under PCA, the noise at least a share of a component."""
    rows = rows.astype(np.float64)
    n, p = rows.shape
    c = rows - rows.mean(0)
    variances, U = np.linalg.eigh(c.T @ c / n)
    variances, U = variances[::-1], U[:, ::-1]
    d = min(d, int((variances > 1e-9 * variances.sum()).sum()))
    noise = variances[d:].sum() / max(p - d, 1)
    noise = np.clip(noise, floor * variances[d - 1], 0.99 * variances[d - 1])
    signal = U[:, :d] * (variances[:d] - noise) @ U[:, :d].T
    return stats.multivariate_normal(None, signal + noise * np.eye(p)).logpdf(c)


@pytest.mark.parametrize(
    "rows",
    [
        X,
        X.astype(np.float32),
        X + 1e7,
        X * UNITS,
        np.asfortranarray(X[:20]),
        np.c_[X, np.ones(len(X)), np.zeros(len(X))],
        X + 20,
    ],
    ids=["plain", "float32", "far", "units", "few", "constant", "offset"],
)
@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_bound_is_the_likelihood_of_probabilistic_pca(rows, posterior):
    for d in (2, 3):  # with one, the noise of "units" is at its floor
        module = module_at_start(rows, n_components=d, posterior=posterior)
        expected = pca_log_density(rows, d)
        np.testing.assert_allclose(elbo(module, rows), expected, rtol=1e-3, atol=1e-3)


def test_bound_is_the_score_of_scikit_learn_s_pca():
    rows = np.repeat(X, 50, 0)  # whose variances are divided by n - 1
    module = module_at_start(rows, n_components=3)
    score = PCA(3).fit(rows).score(rows)
    assert elbo(module, rows).mean() == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e12, 1e30])
def test_units_change_no_start(unit):
    plain, scaled = (module_at_start(rows, n_components=2) for rows in (X, unit * X))
    shift = X.shape[1] * np.log(unit)
    np.testing.assert_allclose(
        elbo(scaled, unit * X) + shift, elbo(plain, X), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("n", [2, 3, 5])
def test_fewer_rows_than_features_leave_components_unused(n):
    module = module_at_start(X[:n], n_components=8)
    q = module.encode(module.frame.read(X[:n]))
    kl = q.kl_to_standard_normal().detach().numpy()
    assert (kl[:, n:] == 0).all()
    assert (np.delete(kl, np.s_[n:], 1).mean(0)[: n - 1] > 0.5).all()
    assert np.isfinite(elbo(module, X[:n])).all()


@pytest.mark.parametrize("d", [3, 4, 8, 20])
def test_components_beyond_the_rank_are_those_of_the_prior(d):
    rows = (X[:, :3] @ RNG.normal(size=(3, 8))).astype(np.float32)
    module = module_at_start(rows, n_components=d)
    x = module.frame.read(rows)
    q = module.encode(x)
    kl = q.kl_to_standard_normal().detach().numpy()
    np.testing.assert_array_equal(kl[:, 3:], 0)
    # The noise is a hundredth of the last component.
    variances = np.linalg.eigvalsh(np.cov(rows.T, bias=True).astype(np.float64))
    variance = q.variance.detach().numpy()[0, :3]
    np.testing.assert_allclose(
        variance, 0.01 * variances[-3] / variances[:-4:-1], rtol=1e-3
    )
    fitted = module.decode(q.mean).mean.detach().numpy() - rows
    assert np.sqrt(np.mean(fitted**2)) < 0.02 * rows.std()


@pytest.mark.parametrize("posterior", ["isotropic", "constant"])
def test_bound_with_other_posteriors_is_below_the_likelihood(posterior):
    module = module_at_start(X, n_components=3, posterior=posterior)
    gap = pca_log_density(X, 3).mean() - elbo(module, X).mean()
    if posterior == "constant":
        assert gap > 0
        return
    # KL from the exact posterior, whose mean is right.
    variances = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    noise = variances[:-3].mean()
    own = noise / variances[-3:]
    shared = np.exp(np.log(own).mean())
    expected = 0.5 * (shared / own - 1 - np.log(shared / own)).sum()
    assert gap == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("likelihood", ["feature", "auto", "predicted", 0.5])
def test_scales_by_feature_are_those_of_its_errors(likelihood):
    model = linear(
        n_components=3, likelihood=GaussianLikelihood(likelihood, bounds=None)
    )
    module = module_at_start(X, model)
    if likelihood not in ("feature", "auto"):
        assert elbo(module, X).mean() < pca_log_density(X, 3).mean() + 0.1
        p = module.decode(torch.eye(3))
        assert (p.variance == p.variance[0]).all()  # whatever the code
        return
    scale = X.std(0) if likelihood == "feature" else np.sqrt(X.var(0).mean())
    c = (X - X.mean(0)) / scale
    variances, U = np.linalg.eigh(c.T @ c / len(c))
    noise = variances[:-3].mean()
    signal = np.square(U[:, -3:]) @ (variances[-3:] - noise)
    expected = np.sqrt(c.var(0) - signal) * scale
    np.testing.assert_allclose(module.likelihood.scale_, expected, rtol=1e-4)


@pytest.mark.parametrize("cls", [VAE, IWAE, RAE, WAE, TwoStageVAE])
def test_every_estimator_reconstructs_as_pca_at_its_start(cls):
    model = small(
        cls,
        n_components=3,
        likelihood=GaussianLikelihood("global", bounds=None),
        early_stopping=False,
    )
    module = module_at_start(X, model)
    z = module.encode(module.frame.read(X)).mean
    fitted = module.decode(z).mean.detach().numpy()
    variances, U = np.linalg.eigh(np.cov(X.T, bias=True))
    shrunk = 1 - variances[:-3].mean() / variances[-3:]
    expected = (X - X.mean(0)) @ (U[:, -3:] * shrunk) @ U[:, -3:].T + X.mean(0)
    np.testing.assert_allclose(fitted, expected, atol=1e-4)


def started(model, rows, monkeypatch, **params):
    """Return the state with which a fit of a model begins."""

    def stop(epochs):
        raise StopIteration(epochs.fit.module.state_dict())

    monkeypatch.setattr(Epochs, "run", stop)
    with pytest.raises(StopIteration) as stopped:
        model.fit(rows, **params)
    return stopped.value.value


def reflected(rows):
    """Return other rows with the same means and standard deviations."""
    signs = np.where(np.arange(rows.shape[1]) % 2, -1, 1)
    return rows.mean(0) + signs * (rows - rows.mean(0))


def test_validation_rows_have_no_influence(monkeypatch):
    model = linear(n_components=2, random_state=7)
    train, held_out = (i.numpy() for i in split_rows(model, len(X), draw_seed(7)))
    assert len(train) == 270
    other = X.copy()
    other[held_out] = reflected(X[held_out])
    before, after = (started(model, rows, monkeypatch) for rows in (X, other))
    for name in ("encoder.output.weight", "decoder.output.weight"):
        np.testing.assert_allclose(before[name], after[name], atol=1e-5)
    np.testing.assert_allclose(
        before["likelihood.log_scale"], after["likelihood.log_scale"], atol=1e-5
    )
    other = X.copy()
    other[train[:30]] = reflected(X[train[:30]])
    changed = started(model, other, monkeypatch)
    name = "encoder.output.weight"
    assert (before[name] - changed[name]).abs().max() > 0.01


def test_rows_given_for_validation_leave_all_rows_to_the_start(monkeypatch):
    model = linear(n_components=2, random_state=7)
    state = started(model, X, monkeypatch, X_val=X[:10])
    expected = module_at_start(X, model).encoder.linear_path
    path = state["encoder.output.weight"][:, :8]
    np.testing.assert_allclose(path.abs(), expected.detach().abs(), atol=1e-5)


def test_start_is_that_of_the_rows_wherever_they_lie(monkeypatch, tmp_path):
    model = linear(n_components=2, random_state=7)
    rows = X.astype(np.float32)
    np.save(tmp_path / "X.npy", rows)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected, state = (started(model, r, monkeypatch) for r in (rows, mapped))
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)


def test_some_of_many_rows_are_enough(monkeypatch):
    assert most_rows(10) == 10_000
    assert most_rows(3072) == 2730
    seen = []
    monkeypatch.setattr(start, "start_at_pca", lambda _, rows, seed: seen.append(rows))
    monkeypatch.setattr(start, "most_rows", lambda p: 50)
    model = small(max_epochs=1, early_stopping=True).fit(X)
    (rows,) = seen
    train = np.sort(split_rows(model, len(X), draw_seed(0))[0].numpy())
    np.testing.assert_array_equal(rows, X[train[::6]])


@pytest.mark.parametrize("n", [1, 2])
def test_one_row_and_two(n):
    module = module_at_start(X[:n], n_components=2)
    assert np.isfinite(elbo(module, X[:n])).all()


@pytest.mark.filterwarnings("error")
def test_equal_rows_have_no_components():
    rows = np.full((20, 3), 200, np.uint8)
    module = module_at_start(rows, n_components=2)
    q = module.encode(module.frame.read(rows))
    assert (q.kl_to_standard_normal() == 0).all()
    np.testing.assert_allclose(module.decode(q.mean).mean.detach(), 200, rtol=1e-5)
    log_scale = module.likelihood.log_scale.item()
    assert log_scale == pytest.approx(np.log(1e-4))  # of a spread taken for 1


@pytest.mark.parametrize(
    "network", [MLP((8,), skip=False), MLP(()), IMAGE_NETWORKS[0]], ids=str
)
def test_networks_without_a_linear_path_stay_as_they_are(network):
    rows = np.repeat(X, 8, 1)  # images of eight by eight
    model = linear(network=network.for_shape((8, 8)))
    args = model, model.network, rows
    module = new_module(*args, torch.Generator().manual_seed(0))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    start_at_pca(module, rows, 0)
    for name, value in module.state_dict().items():
        assert torch.equal(before[name], value), name


def test_a_decoder_with_normalised_weights_leaves_the_encoder_as_it_is():
    model = small(RAE, regularizer="spectral_norm")
    module = new_module(model, model.network, X, torch.Generator().manual_seed(0))
    before = module.encoder.output.weight.clone()
    start_at_pca(module, X, 0)
    assert torch.equal(module.encoder.output.weight, before)


BOUNDED = [
    GaussianLikelihood("global", bounds=(0, 1)),
    LaplaceLikelihood("global", bounds=(0, 1)),
    BernoulliLikelihood(),
    ContinuousBernoulliLikelihood(),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("likelihood", BOUNDED, ids=lambda x: type(x).__name__)
def test_bounded_decoders_agree_with_pca_to_first_order(likelihood):
    rows = 0.5 + 0.005 * X  # near the middle, where a logistic function is linear
    module = module_at_start(rows, linear(n_components=3, likelihood=likelihood))
    z = module.encode(module.frame.read(rows)).mean
    fitted = module.decode(z).mean.detach().numpy()
    variances, U = np.linalg.eigh(np.cov(rows.T, bias=True))
    shrunk = 1 - variances[:-3].mean() / variances[-3:]
    mean = rows.mean(0)
    expected = (rows - mean) @ (U[:, -3:] * shrunk) @ U[:, -3:].T + mean
    error = np.sqrt(np.mean((fitted - expected) ** 2))
    assert error < 0.05 * rows.std(0).mean()


def test_where_a_mean_saturates_outputs_stay_of_order_one():
    rows = (RNG.random((500, 4)) < [0.5, 0.05, 0.01, 0.002]).astype(np.float32)
    likelihood = GaussianLikelihood(bounds=(0, 1))
    module = module_at_start(rows, linear(n_components=2, likelihood=likelihood))
    z = module.encode(module.frame.read(rows)).mean
    assert module.decoder(z).std(0).max() < 2.5


def test_a_feature_that_outweighs_all_others_has_all_its_variance():
    rows = X * UNITS
    module = module_at_start(rows, n_components=1)
    z = module.encode(module.frame.read(rows)).mean
    fitted = module.decode(z).mean.detach().numpy()
    residual = np.mean((rows - fitted)[:, 2] ** 2) / rows[:, 2].var()
    assert residual < 2e-4


def test_streams_start_at_their_first_chunk():
    model = linear(n_components=2, random_state=0, learning_rate=1e-9)
    model.partial_fit(X)
    fitted = model.reconstruct(X)
    pca = PCA(2).fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    assert np.sqrt(np.mean((fitted - expected) ** 2)) < 0.2 * X.std()
