"""Trouble that people reported of other libraries, tried on these models.

Each test says the symptom in words, and where it was reported.
"""

import multiprocessing
import pickle
import warnings

import numpy as np
import pytest
import torch
from conftest import make_data, small
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GroupShuffleSplit, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from skvae import RAE, VAE, TwoStageVAE
from skvae.networks import MLP, ConvNet, CustomNetwork
from skvae.pipeline import sample_pipeline

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(129, 4))


# --------------------------------------------------------------- numbers that explode


@pytest.mark.parametrize("cls", [VAE, TwoStageVAE])
def test_rows_with_a_code_for_missing_values_have_finite_scores(cls):
    """Scores of a VAE in a loop over tables are NaN (yzhao062/pyod#609)."""
    for seed in range(3):
        X = np.random.default_rng(seed).normal(size=(100, 6))
        model = small(cls, random_state=seed).fit(X)
        new = X.copy()
        new[::10, seed] = -9999.0
        scores = model.score_samples(new)
        assert np.isfinite(scores).all()
        assert scores[::10].max() < np.delete(scores, np.s_[::10]).min()


def test_training_survives_columns_with_heavy_tails():
    """The loss is NaN, from the exponential of a log variance (synthcity#331)."""
    X = np.random.default_rng(1).standard_cauchy((300, 5))
    for cls in (VAE, TwoStageVAE):
        model = small(cls, max_epochs=10, learning_rate=0.02).fit(X)
        assert np.isfinite(model.history_["loss"]).all()
        assert np.isfinite(model.sample(1000, random_state=0)).all()


def test_a_decoder_that_ends_in_tanh_is_told():
    """Images in [0, 1] come out wrong: the decoder ends in tanh (PyTorch-VAE#48)."""

    def decoder(n_in, n_out):
        return nn.Sequential(
            nn.Linear(n_in, 8), nn.ReLU(), nn.Linear(8, n_out), nn.Tanh()
        )

    images = np.random.default_rng(2).random((40, 16))
    with pytest.warns(UserWarning, match="decoder .* ends in Tanh.*bounds"):
        small(network=CustomNetwork(nn.Linear, decoder)).fit(images)


def test_large_whole_numbers_come_back_to_the_unit():
    """int64 columns are forced to float32 (adversarial-autoencoder#1)."""
    rng = np.random.default_rng(3)
    X = np.c_[1_700_000_000 + rng.integers(0, 3600, 300), rng.integers(0, 9, 300)]
    assert X.dtype == np.int64
    model = VAE(2, network=MLP((32,)), max_epochs=100, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model).fit(X)
    samples = sample_pipeline(pipeline, 500, mean=False, random_state=0)
    assert len(np.unique(samples[:, 0])) == 500  # float32 knows 29 values of these
    assert abs(samples[:, 0].mean() - X[:, 0].mean()) < 200
    alone = small(max_epochs=2).fit(X)
    assert alone.sample(3).dtype == np.float64
    assert (np.abs(alone.sample(300, random_state=0)[:, 0] - 1.7e9) < 10_000).all()


# ------------------------------------------------------------------ batches of one row


@pytest.mark.parametrize("n_rows", [129, 257, 1])
@pytest.mark.parametrize("how", ["own modules", "convolutions"])
def test_a_last_batch_of_one_row_does_no_harm(n_rows, how):
    """The last batch has one row, and batch normalisation fails
    (scverse/scvi-tools#426, #3035, #2314).
    """

    def normalised(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 8), nn.BatchNorm1d(8), nn.Linear(8, n_out))

    X = np.random.default_rng(4).normal(size=(n_rows, 8, 8))
    network = CustomNetwork(normalised, normalised)
    if how == "convolutions":
        network = ConvNet((4,), hidden_layer_sizes=(), normalization="batch")
    else:
        X = X.reshape(n_rows, -1)
    model = small(network=network, batch_size=128, max_epochs=2).fit(X)
    assert np.isfinite(model.reconstruct(X)).all()
    model.partial_fit(X[:1])
    assert model.n_epochs_ == 3


# ---------------------------------------------------------------------- early stopping


@pytest.mark.parametrize("n_epochs", [30, 100, 5000])
def test_training_does_not_stop_within_the_warm_up(n_epochs):
    """Early stopping ends training while the weight of the KL divergence still rises
    (scverse/scvi-tools PR 3262, #307; keras-team/tf-keras#517).
    """
    options = {"early_stopping": True, "n_iter_no_change": 1, "kl_warmup": 0.5}
    model = small(max_epochs=n_epochs, learning_rate=0.05, **options).fit(ROWS)
    warm_up = 0.5 * min(n_epochs, 100)
    assert model.n_epochs_ > warm_up


def test_rows_to_stop_by_are_the_users_choice():
    """There is no way to pass validation data (adriangb/scikeras#289, skorch#544)."""
    groups = np.arange(129) // 10
    split = GroupShuffleSplit(1, random_state=0).split(ROWS, groups=groups)
    train, held_out = next(split)
    model = small(early_stopping=True).fit(ROWS[train], X_val=ROWS[held_out])
    other = small(early_stopping=True).fit(ROWS[train], X_val=ROWS[held_out] + 1)
    assert model.history_["loss"][0] == other.history_["loss"][0]
    assert model.history_["validation_loss"][0] < other.history_["validation_loss"][0]


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("cls", [VAE, RAE])
def test_a_schedule_that_waits_for_progress_survives_a_recovery(cls):
    """ReduceLROnPlateau lacks what other schedulers have (pytorch#104687, #68978)."""
    model = small(cls, learning_rate=100.0, lr_schedule="plateau", max_epochs=8)
    try:
        rates = model.fit(50 * ROWS).history_["learning_rate"]
    except FloatingPointError:
        return  # which is what is promised after three recoveries
    assert (np.diff(rates) <= 0).all()


# --------------------------------------------------------------------- what X may be


@pytest.mark.parametrize("n_bands", [2, 6, 8, 13])
def test_bands_that_come_last_are_refused_whatever_their_number(n_bands):
    """Images of 8 bands, channels last, are taken for something else
    (karolzak/keras-unet#52), and of 6 (shekkizh/FCN.tensorflow#101).
    """
    images = np.random.default_rng(5).random((10, 16, 16, n_bands))
    with pytest.raises(ValueError, match=r"channels seem to be last.*transpose\(0, 3"):
        small(network=ConvNet((4,))).fit(images)
    model = small(network=ConvNet((4,)), max_epochs=1)
    assert model.fit(images.transpose(0, 3, 1, 2)).image_shape_ == (n_bands, 16, 16)


def test_a_random_search_may_draw_whole_numbers_of_numpy():
    """RandomizedSearchCV passes NumPy integers, and the model cannot be cloned or built
    (ageron/handson-ml2#115).
    """
    ranges = {
        "n_components": stats.randint(1, 4),
        "batch_size": np.arange(8, 64),
        "max_epochs": np.array([1, 2], np.uint8),
        "n_samples": np.array([1, 2], np.int16),
        "network__hidden_layer_sizes": [(np.int64(4),), (np.int32(8), np.int8(4))],
    }
    search = RandomizedSearchCV(small(), ranges, n_iter=4, cv=2, random_state=0)
    assert np.isfinite(search.fit(ROWS).cv_results_["mean_test_score"]).all()


def test_chunks_sorted_by_class_are_one_model():
    """There is no partial_fit for data beyond memory (yzhao062/pyod#323)."""
    classes = [RNG.normal(size=(60, 3)) + centre for centre in ([0] * 3, [6, 0, 0])]
    density = GaussianMixture(2, random_state=0)
    model = small(latent_density=density, learning_rate=0.01, max_epochs=40)
    for _ in range(40):
        for chunk in classes:
            model.partial_fit(chunk)
    share = (model.sample(1000, random_state=0)[:, 0] < 3).mean()
    assert 0.25 < share < 0.75
    assert model.score(classes[0] + 20) < min(model.score(chunk) for chunk in classes)


def test_samples_can_have_the_types_and_ranges_of_the_columns():
    """Whole numbers come back with decimals, and beyond the range of the data
    (sdv-dev/CTGAN#48, SDV#491, #513, #1676). The recipe of the user guide.
    """
    rng = np.random.default_rng(6)
    X = np.c_[rng.poisson(0.7, 400), np.round(rng.gamma(1.0, 2.0, 400), 2)]
    low, high, decimals = X.min(0), X.max(0), np.array([0, 2])

    def as_measured(rows):
        return np.round(np.clip(rows, low, high) * 10.0**decimals) / 10.0**decimals

    recipe = FunctionTransformer(inverse_func=as_measured, check_inverse=False)
    model = VAE(2, network=MLP((16,)), max_epochs=20, random_state=0)
    pipeline = make_pipeline(recipe, StandardScaler(), model).fit(X)
    raw = make_pipeline(StandardScaler(), model).fit(X)
    plain = sample_pipeline(raw, 500, mean=False, random_state=0)
    assert (plain < low).any()  # what was reported
    assert (plain[:, 0] % 1 != 0).any()
    samples = sample_pipeline(pipeline, 500, mean=False, random_state=0)
    assert (samples >= low).all()
    assert (samples <= high).all()
    np.testing.assert_array_equal(samples[:, 0] % 1, 0)
    np.testing.assert_array_equal(samples, np.round(samples, 2))


# ----------------------------------------------------------------------------- workers


def _transform(model, X, queue):
    queue.put(pickle.loads(model).transform(X))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_that_starts_after_a_fit_returns(method):
    """A process forked after OpenMP has run hangs (pytorch#17199, #41197): not with one
    thread, and not if it is spawned, which are the remedies of the user guide.
    """
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork on this system")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        X = make_data(60, 4)
        model = small(max_epochs=1).fit(X)
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        worker = context.Process(
            target=_transform, args=(pickle.dumps(model), X, queue)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of any fork
            worker.start()
        codes = queue.get(timeout=60)
        worker.join(60)
    finally:
        torch.set_num_threads(n_threads)
    np.testing.assert_array_equal(codes, model.transform(X))
