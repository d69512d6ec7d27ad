"""The two-stage VAE: what each stage sees, and what the whole promises."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from skvae import IWAE, RAE, VAE, TwoStageVAE
from skvae._distributions.mmd import imq_kernel, mmd_squared
from skvae.networks import MLP
from skvae.networks.mlp import Perceptron
from skvae.posteriors import FlowPosterior

TINY = {"network": MLP(hidden_layer_sizes=(16,)), "device": "cpu"}


def second_stage(**parameters):
    network = MLP(hidden_layer_sizes=(32, 32), skip=True)
    options = {"network": network, "max_epochs": 4, "device": "cpu", **parameters}
    return VAE(2, **options)


def two_stage(second=None, **parameters):
    second = second_stage() if second is None else second
    options = {"max_epochs": 3, "random_state": 0, **TINY, **parameters}
    return TwoStageVAE(2, second_stage=second, **options)


@pytest.fixture(scope="module")
def X():
    """Four clusters on a plane in six dimensions: codes that are not normal."""
    rng = np.random.default_rng(0)
    centres = np.array([[2, 2], [2, -2], [-2, 2], [-2, -2.0]])
    codes = centres[rng.integers(4, size=600)] + 0.3 * rng.normal(size=(600, 2))
    X = codes @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(600, 6))
    return X.astype(np.float32)


@pytest.fixture(scope="module")
def model(X):
    return two_stage().fit(X)


def test_first_stage_is_a_vae_that_the_second_does_not_touch(model, X):
    vae = VAE(2, max_epochs=3, random_state=0, **TINY).fit(X)
    np.testing.assert_array_equal(model.transform(X), vae.transform(X))
    np.testing.assert_array_equal(model.history_["loss"], vae.history_["loss"])
    np.testing.assert_array_equal(model.likelihood_.scale_, vae.likelihood_.scale_)


def test_default_second_stage_is_the_papers_without_its_linear_path():
    model = TwoStageVAE(5, max_epochs=1, batch_size=32, random_state=0, device="cpu")
    second = model.fit(np.random.default_rng(0).normal(size=(40, 6))).second_stage_
    assert second.network.hidden_layer_sizes == (1024, 1024, 1024)
    assert second.kl_warmup == 0.15
    assert second.n_components == 5
    assert second.n_epochs_ == 2
    assert second.batch_size == 32
    assert (second.likelihood_.scale_ > 0).all()
    module = second.module_
    for network, n_in in ((module.encoder, 5), (module.decoder, 5)):
        assert isinstance(network, Perceptron)
        assert [layer.in_features for layer in network.hidden] == [n_in, 1024, 1024]
        assert network.output.in_features == 1024


def test_second_stage_sees_fresh_draws_of_the_posterior_in_every_batch(X, monkeypatch):
    seen, original = [], VAE.loss

    def spy(self, module, x, generator, annealing):
        if module.n_features == 2:
            seen.append(x.clone())
        return original(self, module, x, generator, annealing)

    monkeypatch.setattr(VAE, "loss", spy)
    options = {"batch_size": 600, "max_epochs": 40, "early_stopping": False}
    model = two_stage(second_stage(**options)).fit(X)
    del seen[40:]  # those that the noise is calibrated with
    q = model.module_.encode(torch.from_numpy(X))
    rows = torch.stack([x[x[:, 0].argsort()] for x in seen])
    assert not torch.equal(rows[0], rows[1])
    # The order is shuffled, so compare moments: those of q(z), not of its means.
    z = torch.cat(seen)
    expected = (q.variance.mean(0) + q.mean.var(0)).detach()
    torch.testing.assert_close(z.var(0), expected, rtol=0.03, atol=0.0)
    assert (z.var(0) > q.mean.var(0)).all()


@pytest.mark.parametrize("posterior", ["constant", "full", FlowPosterior(n_flows=2)])
def test_first_stage_may_have_any_posterior(X, posterior):
    model = two_stage(posterior=posterior).fit(X[:100])
    assert model.sample(3).shape == (3, 6)


def test_sampling_goes_through_the_second_stage_with_its_noise(model):
    model = copy.deepcopy(model)
    module = model.second_stage_.module_
    rows = model.sample(500, random_state=3)
    module.decoder.output.weight.data.zero_()
    module.likelihood.noise.level.fill_(-20.0)
    constant = model.sample(500, random_state=3)
    module.likelihood.noise.level.fill_(0.0)
    noisy = model.sample(500, random_state=3)
    assert rows.var(0).sum() > 1
    assert constant.var(0).sum() < 1e-6
    assert noisy.var(0).sum() > 0.1


def test_score_has_the_weights_of_both_stages(X):
    model = two_stage(second_stage(max_epochs=60), max_epochs=60).fit(X)
    reference = GaussianMixture(4, random_state=0).fit(X).score(X)
    bounds = [model.score_samples(X, n_importance_samples=k).mean() for k in (1, 10)]
    vae = VAE(2, max_epochs=60, random_state=0, **TINY).fit(X)
    assert bounds[0] < bounds[1] < reference + 0.3
    z = model.transform(X).astype(float)
    inner = model.second_stage_.score_samples(z, n_importance_samples=20).mean()
    normal = vae.latent_density_.score_samples(z).mean()
    assert inner > normal  # the second stage knows the codes better than N(0, I)


def test_second_codes_are_closer_to_the_prior(X):
    model = two_stage(second_stage(max_epochs=150), max_epochs=60).fit(X)
    rng = np.random.default_rng(0)
    second = model.second_stage_.module_
    with torch.no_grad():
        noise = torch.from_numpy(rng.normal(size=(2, 600, 2))).float()
        z = model.module_.encode(torch.from_numpy(X)).rsample(noise[0])
        u = second.encode(z).rsample(noise[1])
    prior = torch.from_numpy(rng.normal(size=(600, 2))).float()
    first, then = (mmd_squared(c, prior, lambda r: imq_kernel(r, 2)) for c in (z, u))
    assert then < first / 3


def test_fits_are_reproducible_and_survive_pickling(model, X):
    again = two_stage().fit(X)
    np.testing.assert_array_equal(
        model.second_stage_.history_["loss"], again.second_stage_.history_["loss"]
    )
    loaded = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(
        loaded.sample(9, random_state=1), again.sample(9, random_state=1)
    )
    np.testing.assert_array_equal(
        loaded.score_samples(X[:20]), again.score_samples(X)[:20]
    )


def test_the_given_second_stage_stays_untouched(X):
    second = second_stage()
    before = second.get_params()
    two_stage(second).fit(X)
    assert not hasattr(second, "module_")
    assert second.get_params() == before


def test_partial_fit_trains_both_stages(X):
    model = two_stage()
    for i in range(1, 4):
        model.partial_fit(X)
        assert model.n_epochs_ == i
    alone = {"early_stopping": False, "random_state": 0, **TINY}
    vae = VAE(2, max_epochs=3, **alone).fit(X)
    np.testing.assert_array_equal(model.transform(X), vae.transform(X))
    assert model.second_stage_.n_epochs_ == 3


class _Recorder:
    """A callback that keeps what it is told, and may fail."""

    def __init__(self, fail_at=None, error=None):
        self.fail_at, self.error, self.models = fail_at, error, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name != "epoch":
            return False
        self.models.append(fitted_estimator)
        if len(self.models) == self.fail_at:
            raise self.error
        return False


def test_callbacks_see_the_epochs_of_both_stages(X):
    recorder = _Recorder()
    two_stage().set_callbacks(recorder).fit(X)
    assert len(recorder.models) == 3 + 4
    assert not hasattr(recorder.models[2].latent_density_, "n_epochs_")
    assert [m.second_stage_.n_epochs_ for m in recorder.models[3:]] == [1, 2, 3, 4]
    assert recorder.models[4].sample(2).shape == (2, 6)


@pytest.mark.parametrize("fail_at", [2, 5])
def test_a_failure_in_either_stage_leaves_the_estimator_as_it_was(X, fail_at):
    model = two_stage().fit(X)
    before = dict(vars(model))
    recorder = _Recorder(fail_at, OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        model.set_callbacks(recorder).fit(X)
    after = vars(model)
    assert all(after[name] is value for name, value in before.items())


def test_an_interrupt_ends_the_stage_that_trains(X):
    recorder = _Recorder(2, KeyboardInterrupt())
    model = two_stage().set_callbacks(recorder)
    told = pytest.warns(RuntimeWarning, match="The second stage is being trained")
    with told, pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.n_epochs_ <= 2
    assert model.second_stage_.n_epochs_ == 4
    recorder = _Recorder(5, KeyboardInterrupt())
    model = two_stage().set_callbacks(recorder)
    told = pytest.warns(RuntimeWarning, match="interrupted")
    with told, pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.n_epochs_ == 3
    assert model.second_stage_.n_epochs_ <= 2


def test_second_stage_may_be_an_iwae(X):
    second = IWAE(3, max_epochs=2, network=MLP(hidden_layer_sizes=(8,)), device="cpu")
    model = two_stage(second).fit(X)
    assert model.second_stage_.n_components == 3
    assert model.sample(4).shape == (4, 6)


@pytest.mark.parametrize("second", ["vae", RAE(2), TwoStageVAE(2), VAE])
def test_other_second_stages_are_refused(X, second):
    with pytest.raises(TypeError, match="must be a VAE, an IWAE or None"):
        two_stage(second).fit(X)


def test_bad_parameters_of_the_second_stage_are_found_before_training(X):
    with pytest.raises(ValueError, match=r"max_epochs.*Got 0"):
        two_stage(second_stage(max_epochs=0)).fit(X)
