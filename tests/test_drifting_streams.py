"""Streams whose chunks are unlike each other are learned as by one `fit`."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import small
from sklearn.base import clone

from skvae import VAE
from skvae._training import start
from skvae._training.parts import new_module
from skvae._training.stream import RowSample
from skvae._utils.rows import summarise
from skvae.networks import MLP, CustomNetwork

RNG = np.random.default_rng(0)
LEFT = RNG.normal(size=(64, 4))
FAR = RNG.normal(size=(64, 4)) + 50


def in_chunks(model, chunks, n_passes=1):
    for _ in range(n_passes):
        for chunk in chunks:
            model.partial_fit(chunk)
    return model


def test_a_chunk_that_comes_again_counts_once():
    sample = RowSample()
    for chunk in (LEFT, FAR, LEFT, FAR):
        sample = sample.extended(chunk, 0)
    exact = summarise(np.concatenate([LEFT, FAR]))
    np.testing.assert_allclose(sample.statistics.mean, exact.mean)
    np.testing.assert_allclose(sample.statistics.summary().std, exact.std)


# Begin anew, or go on


def spread_and_mean(model):
    """Return the spread and the mean by which a model centres and scales."""
    module = model.module_
    return 1 / module.factor.numpy(), -(module.shift / module.factor).numpy()


def assert_standardised_by(model, X, rtol=1e-5):
    spread, mean = spread_and_mean(model)
    summary = summarise(X)
    np.testing.assert_allclose(spread, summary.total_scale, rtol=rtol)
    atol = rtol * spread.max()
    np.testing.assert_allclose(mean, summary.mean, rtol=1e-4, atol=atol)


@pytest.fixture
def counted_starts(monkeypatch):
    """Return a list with an entry for every module that is built."""
    starts = []

    def counted(*args, **options):
        starts.append(args)
        return new_module(*args, **options)

    monkeypatch.setattr(start, "new_module", counted)
    return starts


STILL = small(
    learning_rate=1e-12, early_stopping=False
)  # what is learned is seen to stay


@pytest.mark.filterwarnings("ignore:In feature")
def test_the_first_pass_begins_anew_with_rows_that_are_far():
    both = np.concatenate([LEFT, FAR])
    model = in_chunks(clone(STILL), [LEFT, FAR])
    assert_standardised_by(model, both)
    fitted = clone(STILL).fit(both)
    np.testing.assert_allclose(model.transform(both), fitted.transform(both), atol=1e-4)
    assert model.n_epochs_ == len(model.history_["loss"]) == 2
    assert model._sample.n_passes == 0.5  # since then


def test_the_first_pass_begins_anew_with_another_mean(counted_starts):
    in_chunks(small(), [LEFT, LEFT + 0.8])  # by which the spread changes little
    assert len(counted_starts) == 2


@pytest.mark.parametrize("widen", [0.4, 3])
def test_the_first_pass_begins_anew_with_another_spread(widen, counted_starts):
    in_chunks(small(), [LEFT, *[widen * LEFT[i:] for i in range(6)]])
    assert len(counted_starts) > 1


@pytest.mark.filterwarnings("ignore:In feature")
def test_what_is_learned_in_more_passes_stays(counted_starts):
    model = clone(STILL).fit(LEFT)
    codes, rows = model.transform(LEFT), model.reconstruct(LEFT)
    model.partial_fit(FAR)
    assert len(counted_starts) == 1
    assert_standardised_by(model, np.concatenate([LEFT, FAR]))
    np.testing.assert_allclose(model.transform(LEFT), codes, atol=1e-4)
    np.testing.assert_allclose(model.reconstruct(LEFT), rows, atol=1e-4)


def test_chunks_that_are_alike_go_on_from_each_other(counted_starts):
    chunks = np.random.default_rng(3).normal(size=(30, 64, 4))
    model = in_chunks(small(batch_size=64), chunks)
    assert len(counted_starts) == 1
    assert_standardised_by(model, np.concatenate(chunks))


@pytest.mark.slow
def test_a_steady_drift_begins_anew_ever_less_often(counted_starts):
    chunks = np.random.default_rng(3).normal(size=(40, 64, 4))
    chunks += 50 * np.linspace(0, 1, 40)[:, None, None]
    in_chunks(small(batch_size=64), chunks)
    # The mean of k chunks moves by a quarter of their spread, k / sqrt(12), in units in
    # which it is k / 2, whenever k grows by a seventh: six times until k is twice.
    lengths = np.array([len(args[2]) for args in counted_starts])
    assert 2 < (lengths > 20 * 64).sum() < 7
    assert lengths[-1] <= 40 * 64


@pytest.mark.filterwarnings("ignore:In feature")
def test_repeated_chunks_change_no_map():
    model = in_chunks(small(), [LEFT, FAR])
    maps = spread_and_mean(model)
    in_chunks(model, [LEFT, FAR], 2)
    np.testing.assert_array_equal(spread_and_mean(model), maps)


@pytest.mark.filterwarnings("ignore:In feature")
def test_missing_values_count_for_no_statistics():
    gaps = np.where(np.random.default_rng(2).random(FAR.shape) < 0.3, np.nan, FAR)
    model = in_chunks(small(), [LEFT, gaps])
    assert_standardised_by(model, np.concatenate([LEFT, gaps]))
    assert np.isfinite(model.score(gaps))


@pytest.mark.filterwarnings("ignore:In feature")
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_statistics_are_in_the_pickle_rows_are_not(first):
    model = getattr(small(), first)(LEFT)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded._sample.rows is None
    assert_standardised_by(loaded.partial_fit(FAR), np.concatenate([LEFT, FAR]))


@pytest.mark.filterwarnings("ignore:In feature")
def test_streams_go_on_after_a_warm_start():
    model = small(warm_start=True).fit(LEFT).fit(LEFT + 0.1).partial_fit(FAR)
    assert_standardised_by(model, np.concatenate([LEFT + 0.1, FAR]))


def test_large_offsets_keep_their_digits():
    chunks = np.random.default_rng(3).normal(size=(4, 64, 4)) + 1e9
    model = in_chunks(small(), [*chunks, chunks[0] + 3])
    summary = summarise(np.concatenate([*chunks, chunks[0] + 3]))
    seen = model.module_.frame.to_frame(summary.mean)
    _, mean = spread_and_mean(model)
    np.testing.assert_allclose(mean, seen, atol=1e-4)
    assert np.isfinite(model.score(chunks[0]))


@pytest.mark.filterwarnings("ignore:In feature")
def test_networks_without_affine_layers_keep_their_maps():
    network = CustomNetwork(encoder=torch.nn.Linear, decoder=torch.nn.Linear)
    model = small(network=network).fit(LEFT)
    maps = spread_and_mean(model)
    np.testing.assert_array_equal(spread_and_mean(model.partial_fit(FAR)), maps)
    both = in_chunks(small(network=network), [LEFT, FAR])
    assert_standardised_by(both, np.concatenate([LEFT, FAR]))


def test_far_rows_are_told_and_what_becomes_of_the_networks():
    with pytest.warns(UserWarning, match="In feature .* begin anew with"):
        in_chunks(small(), [LEFT, FAR])
    with pytest.warns(UserWarning, match="In feature .* learned is kept"):
        small().fit(LEFT).partial_fit(FAR)


# Bounds, counts and tables


DARK = np.random.default_rng(0).integers(0, 4, (60, 9)) / 3


def test_bounds_are_those_of_the_stream():
    model = in_chunks(small(), [DARK / 5, DARK])
    assert model.likelihood_.bounds_ == (0, 1)
    noisy = DARK + np.random.default_rng(1).normal(size=DARK.shape) / 9
    assert in_chunks(small(), [DARK, noisy]).likelihood_.bounds_ is None
    # Thirty-two rows are too few to see bounds.
    assert in_chunks(small(), [DARK[:1], DARK]).likelihood_.bounds_ == (0, 1)


def test_bounds_of_trained_networks_stay_and_it_is_told():
    model = small().fit(DARK)
    with pytest.warns(UserWarning, match="between 0 and 1"):
        model.partial_fit(2 * DARK)
    assert model.likelihood_.bounds_ == (0, 1)


@pytest.mark.filterwarnings("ignore:In feature")
def test_counts_are_seen_in_the_spread_of_the_stream():
    rng = np.random.default_rng(0)
    chunks = [rng.poisson(mean, (64, 3)) for mean in (1, 100)]
    model = in_chunks(small(likelihood="poisson"), chunks)
    summary = summarise(np.concatenate(chunks))
    np.testing.assert_allclose(1 / model.module_.factor, summary.std, rtol=1e-5)
    np.testing.assert_allclose(
        model.likelihood_.offset, np.log(summary.mean), rtol=1e-5
    )


@pytest.mark.filterwarnings("ignore:In feature")
def test_margins_of_a_table_are_taken_anew_in_the_first_pass():
    frames = [
        pd.DataFrame({"a": part[:, 0], "b": ["x", "y"] * 32}) for part in (LEFT, FAR)
    ]
    model = in_chunks(small(), frames)
    S = model.sample(300, mean=False, random_state=0)["a"]
    assert (S > 40).mean() > 0.2  # and none with the margins of the first chunk
    assert (S < 10).mean() > 0.2


def test_categories_that_appear_later_are_refused_or_count_as_missing():
    codes = np.random.default_rng(0).integers(0, 3, (64, 2)).astype(float)
    model = small(likelihood="categorical").partial_fit(codes)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="was fitted to the values 0, 1, 2"):
        model.partial_fit(codes + 1)
    assert vars(model) == before
    frame = pd.DataFrame({"a": LEFT[:, 0], "b": ["x", "y"] * 32})
    with pytest.warns(UserWarning, match="counts as missing"):
        small().partial_fit(frame).partial_fit(frame.assign(b="z"))


# Passes


def test_passes_are_counted_by_rows_of_the_stream():
    chunks = [LEFT, LEFT[:32] + 0.1, LEFT[:40] - 0.1]
    model = small()
    for n_passes in (1, 2, 3):
        in_chunks(model, chunks)
        assert model._sample.n_passes == pytest.approx(n_passes)
    assert small(max_epochs=4).fit(LEFT)._sample.n_passes == 4


class Annealed(VAE):
    """Records the weight of the KL divergence of every step."""

    weights: ClassVar = []

    def loss(self, module, x, generator, annealing=1.0):
        self.weights.append(float(annealing))
        return super().loss(module, x, generator, annealing)


def test_kl_warmup_follows_passes_over_the_stream_not_calls():
    Annealed.weights = []
    chunks = np.random.default_rng(3).normal(size=(5, 64, 4))
    model = small(Annealed, kl_warmup=1.0, batch_size=64, max_epochs=4)
    in_chunks(model, chunks, 4)
    weights = np.reshape(Annealed.weights, (4, 5))
    # In the first pass: rows seen as a share of the stream up to then.
    np.testing.assert_allclose(weights[0], [0, 1 / 8, 1 / 6, 3 / 16, 1 / 5])
    rest = (np.arange(5, 20) / 20).reshape(3, 5)
    np.testing.assert_allclose(weights[1:], rest)


# Scores


def of_kind(kind, seed):
    """Return 600 rows whose second half is unlike the first, and as many new ones."""
    rng, loadings = np.random.default_rng(seed), np.random.default_rng(99)
    loadings = loadings.normal(size=(3, 12))
    both = rng.normal(size=(2, 600, 3)) @ loadings + 0.3 * rng.normal(size=(2, 600, 12))
    name, size = kind
    half = both[:, 300:]
    if name == "spread":
        half *= size
    elif name == "one":
        half[..., 0] += size
    else:
        half += size
    return both


KINDS = [("shift", 0), ("shift", 3), ("shift", 10), ("shift", 50), ("shift", 1000)]
KINDS += [("spread", 10), ("one", 50)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:In feature")
@pytest.mark.parametrize("kind", KINDS)
def test_drifting_chunks_are_learned_as_well_as_by_fit(kind):
    gains = []
    for seed in range(3):
        X, new = of_kind(kind, seed)
        options = {"network": MLP((8,)), "max_epochs": 12, "random_state": seed}
        whole = VAE(2, **options).fit(X).score(new)
        model = in_chunks(VAE(2, **options), np.split(X, 6), 12)
        gains.append(model.score(new) - whole)
    # Means of three seeds were between -0.6 and 0.1; without a new start, -20 and less
    # for a shift of 10.
    assert np.mean(gains) > -1
