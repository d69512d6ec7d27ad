"""`partial_fit` over chunks: the model is that of the stream, not of its last chunk."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import ESTIMATORS, accepted, assert_same, describe, outputs, small
from scipy import stats
from sklearn.mixture import GaussianMixture

from skvae import RAE, VAE, TwoStageVAE
from skvae._training.stream import MOST_ROWS, RowSample
from skvae._utils.rows import summarise
from skvae.networks import MLP

RNG = np.random.default_rng(0)
LEFT = RNG.normal(size=(60, 4))
RIGHT = RNG.normal(size=(60, 4)) + np.array([8, 0, 0, 0])


def share_of_left(model):
    return (model.sample(1000, random_state=0)[:, 0] < 4).mean()


def of_two_chunks(cls, n_calls=60):
    density = accepted(cls, latent_density=GaussianMixture(2, random_state=0))
    options = {"network": MLP((32,)), "learning_rate": 0.01, **density}
    model = small(cls, max_epochs=n_calls, **options)
    for _ in range(n_calls):
        model.partial_fit(LEFT).partial_fit(RIGHT)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("cls", [VAE, RAE])
def test_samples_are_of_the_stream(cls):
    model = of_two_chunks(cls)
    of_stream, share = model.latent_density_, share_of_left(model)
    model.fit_latent_density(np.concatenate([LEFT, RIGHT]))
    np.testing.assert_allclose(of_stream.means_, model.latent_density_.means_)
    assert share == share_of_left(model)
    assert 0.2 < share < 0.8  # and 0.0 if the density is that of the last chunk


@pytest.mark.slow
def test_second_stage_is_of_the_stream():
    second = VAE(2, network=MLP((32,), skip=False), kl_warmup=0.15, max_epochs=120)
    second.set_params(batch_size=16, learning_rate=0.01)
    model = small(TwoStageVAE, second_stage=second, max_epochs=60, learning_rate=0.01)
    for _ in range(60):
        model.partial_fit(LEFT).partial_fit(RIGHT)
    assert 0.2 < share_of_left(model) < 0.8  # and 0.0 or 1.0 if it is of one chunk


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_diagnostics_are_those_of_all_chunks(cls):
    model = small(cls)
    for _ in range(3):
        model.partial_fit(LEFT).partial_fit(RIGHT)
    codes = model.transform(np.concatenate([LEFT, RIGHT]))
    active = np.flatnonzero(codes.astype(float).var(0) > 0.01)
    np.testing.assert_array_equal(model.active_components_, active)
    # KL(q || N(0, I)) is at least half the squared mean, and was measured on all rows.
    assert (model.kl_per_component_ > 0.49 * (codes**2).mean(0) - 1e-3).all()


def test_sample_is_bounded_and_counts_a_repeated_chunk_once():
    X = np.random.default_rng(0).integers(0, 256, (3000, 5)).astype(np.uint8)
    sample = RowSample()
    for _ in range(3):
        for chunk in np.array_split(X, 3):
            sample = sample.extended(chunk, seed=0)
    np.testing.assert_array_equal(sample.rows, X, strict=True)
    for seed in range(10):
        more = np.random.default_rng(seed).normal(size=(3000, 5))
        sample = sample.extended(more, seed=0)
    assert sample.rows.shape == (MOST_ROWS, 5)
    assert sample.n_seen == 33_000
    wide = RowSample().extended(np.zeros((300, 100_000), np.float32), seed=0)
    assert wide.rows.nbytes <= 2**26


def test_every_row_of_a_stream_is_in_the_sample_with_equal_probability(monkeypatch):
    monkeypatch.setattr("skvae._training.stream.MOST_ROWS", 20)
    counts = np.zeros(100)
    for seed in range(400):
        sample = RowSample()
        for chunk in np.array_split(np.arange(100.0)[:, None], [7, 8, 50, 51, 99]):
            sample = sample.extended(chunk, seed)
        assert len(np.unique(sample.rows)) == 20
        counts[sample.rows[:, 0].astype(int)] += 1
    # 400 * 20 / 100 of each, with the variance of a draw without replacement.
    z = (counts - 80) / np.sqrt(400 * 0.2 * 0.8)
    assert stats.chi2(99).sf((z**2).sum() * 99 / 100) > 1e-3
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("scale", [1.0, 1e6])
@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_first_chunk_of_one_row_does_not_decide_the_scale(cls, scale):
    Y = scale * LEFT
    model = small(cls).partial_fit(Y[:1]).partial_fit(Y[1:])
    summary, module = summarise(Y), model.module_
    spread = module.likelihood.encoder_scale(summary)
    np.testing.assert_allclose(module.factor, 1 / spread + 0 * summary.mean, rtol=1e-5)
    np.testing.assert_allclose(
        module.shift, -summary.mean / spread, rtol=1e-3, atol=1e-5
    )
    assert model.n_epochs_ == 2


def test_first_chunk_without_spread_does_not_decide_the_scale():
    model = small().partial_fit(np.full((50, 4), 3.0)).partial_fit(1e6 * LEFT)
    spread = 1 / model.module_.factor.numpy()
    assert spread.min() > 1e5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_chunks_of_one_row_work_without_a_warning(cls):
    model = small(cls)
    for row in LEFT[:40]:
        model.partial_fit(row[None])
    assert model.sample(3).shape == (3, 4)
    assert model.n_epochs_ == 40
    fitted = small(cls, learning_rate=0.01, max_epochs=20).fit(LEFT)
    fitted.partial_fit(LEFT[:1])
    assert fitted.sample(3).shape == (3, 4)


@pytest.mark.filterwarnings("error")
def test_one_row_is_no_collapse():
    VAE(4, network=MLP((8,)), random_state=0).partial_fit(LEFT[:1])


def test_rows_of_fit_count_too():
    model = small(latent_density=GaussianMixture(2, random_state=0))
    model.set_params(learning_rate=0.01, max_epochs=60)
    model.fit(np.concatenate([LEFT, RIGHT])).partial_fit(RIGHT[:10])
    assert 0.35 < share_of_left(model) < 0.6


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
def test_pickle_has_no_rows_and_goes_on_with_draws_in_their_place(begin):
    model = small(latent_density=GaussianMixture(2, random_state=0))
    model.set_params(learning_rate=0.01, max_epochs=60)
    both = np.concatenate([LEFT, RIGHT])
    for _ in range(60 if begin == "partial_fit" else 1):
        getattr(model, begin)(both)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded._sample.rows is None
    assert_same(outputs(loaded, both), outputs(model, both))
    loaded.partial_fit(RIGHT[:10])
    assert 0.3 < share_of_left(loaded) < 0.6
    assert loaded._sample.n_seen == 130


def test_pickle_of_too_few_rows_for_their_density_keeps_them():
    model = small(latent_density=GaussianMixture(30)).partial_fit(LEFT[:2])
    model.module_.posterior.deterministic = True  # one code for each row
    loaded = pickle.loads(pickle.dumps(model))
    assert len(loaded._sample.rows) == 2
    assert loaded.partial_fit(LEFT).sample(2).shape == (2, 4)


def test_density_of_a_stream_is_fitted_when_it_is_asked_for():
    fits = []

    class Counted(GaussianMixture):
        def fit(self, Z, y=None):
            fits.append(len(Z))
            return super().fit(Z)

    model = small(latent_density=Counted(2))
    for _ in range(5):
        model.partial_fit(LEFT)
    assert fits == []
    model.sample(2)
    model.score(LEFT)
    assert len(fits) == 1


@pytest.mark.parametrize("n_rows", [1, 5, 80])
@pytest.mark.parametrize("cls", [VAE, RAE])
def test_repeating_one_chunk_is_one_fit_whatever_its_size(cls, n_rows):
    X = np.random.default_rng(1).normal(size=(n_rows, 4))
    density = GaussianMixture(1)
    parts = small(cls, latent_density=density)
    for _ in range(parts.max_epochs):
        parts.partial_fit(X)
    if (cls, n_rows) == (RAE, 1):
        with pytest.raises(ValueError, match="1 "):
            parts.sample(2)
        return
    whole = small(cls, latent_density=density).fit(X)
    assert_same(outputs(parts, X), outputs(whole, X))


def test_failed_chunk_leaves_the_sample_alone():
    model = small().partial_fit(LEFT)
    before = model._sample
    with pytest.raises(ValueError, match="NaN"), warnings.catch_warnings():
        model.partial_fit(np.full((3, 4), np.inf))
    assert model._sample is before


def far_chunk(feature=2, spreads=50.0, n_rows=60):
    X = np.random.default_rng(9).normal(size=(n_rows, 4))
    X[:, feature] += spreads
    return X


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_chunk_far_from_the_first_ones_is_told_by_the_name_of_its_feature(cls):
    model = small(cls).partial_fit(LEFT)
    with pytest.warns(UserWarning, match="feature 2, half .* 5[0-9].* spreads"):
        model.partial_fit(far_chunk())
    frame = pd.DataFrame(LEFT, columns=list("abcd"))
    model = small(cls).fit(frame)
    with pytest.warns(UserWarning, match="feature 'c', half of these rows"):
        model.partial_fit(frame.assign(c=frame["c"] + 100))
    with pytest.warns(UserWarning, match="feature 'd', half of these rows"):
        model.set_params(warm_start=True).fit(frame.assign(d=-100.0))


@pytest.mark.filterwarnings("error:In feature:UserWarning")
@pytest.mark.parametrize("unit", [1e-6, 1e-3])
def test_chunk_in_a_larger_unit_is_told(unit):
    rows = LEFT - LEFT.mean(0)
    model = small(warm_start=True).fit(rows)
    for train in (model.partial_fit, model.fit):
        with pytest.warns(UserWarning, match=r"less than 0\.01 of the spread of"):
            train(unit * rows)


def test_chunks_of_equal_rows_or_columns_do_not_warn():
    model = small().partial_fit(LEFT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Posterior collapse")
        model.partial_fit(LEFT * [0.05, 1e-9, 0, 0])
        model.partial_fit(np.repeat(LEFT[:1], 40, 0))


def test_chunks_that_are_not_far_do_not_warn():
    model = small().partial_fit(LEFT)
    for chunk in (RIGHT, far_chunk(spreads=6.0), far_chunk(n_rows=31), 3 * LEFT):
        model.partial_fit(chunk)
    few = small().partial_fit(LEFT[:1])
    few.partial_fit(1e6 * RIGHT)  # begins anew
    some = far_chunk()
    some[30:, 2] = 0.0
    model.partial_fit(np.vstack([LEFT, some[:30]]))  # less than half
    small().fit(1e9 + LEFT).partial_fit(1e9 + RIGHT)


def test_rows_of_a_file_are_sampled_without_a_second_copy():
    X = np.random.default_rng(0).normal(size=(30_000, 50))
    tracemalloc.start()
    sample = RowSample().extended(X, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * sample.rows.nbytes
