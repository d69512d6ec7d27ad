"""Estimators with networks for images."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conftest import IMAGE_NETWORKS, assert_same, describe, outputs
from image_networks import SMALL, TINY, images

from skvae import VAE
from skvae.networks import MLP, ConvNet
from skvae.networks._normalisation import BatchNorm


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_fit_bears_a_last_batch_of_one_row_and_data_of_one_row(network):
    X = images(n=17)
    model = VAE(2, network=network, **SMALL).fit(X)
    assert np.isfinite(model.history_["loss"]).all()
    one = VAE(2, network=network, **SMALL).fit(X[:1])
    assert np.isfinite(one.reconstruct(X)).all()


def test_evaluation_uses_the_averages_and_not_the_batch():
    network = ConvNet(**TINY, normalization="batch")
    model = VAE(2, network=network, **SMALL, early_stopping=True).fit(images())
    assert np.isfinite(model.history_["validation_loss"]).all()
    X = images(n=50, seed=1)
    one_by_one = [model.transform(X[i : i + 1])[0] for i in range(50)]
    np.testing.assert_allclose(model.transform(X), one_by_one, rtol=0, atol=1e-6)


def test_best_weights_come_back_with_their_averages():
    network = ConvNet(**TINY, normalization="batch")
    options = {**SMALL, "max_epochs": 30, "learning_rate": 0.1, "kl_warmup": 0}
    stop = {"early_stopping": True, "n_iter_no_change": 3}
    model = VAE(2, network=network, **options, **stop).fit(images())
    best = int(np.argmin(model.history_["validation_loss"])) + 1
    assert best < model.n_epochs_
    short = VAE(2, network=network, **{**options, "max_epochs": best}, **stop)
    assert_same(outputs(model, images()), outputs(short.fit(images()), images()))


def test_an_undone_epoch_leaves_no_trace_in_the_averages(monkeypatch):
    network = ConvNet(**TINY, normalization="batch")
    seen, original = [], VAE.loss

    def poisoned(self, module, x, generator, annealing):
        terms = original(self, module, x, generator, annealing)
        sums = [m.sum_mean for m in module.modules() if isinstance(m, BatchNorm)]
        seen.append(torch.cat(sums).clone())
        if len(seen) == 5:  # the second step of the second epoch
            terms["kl"] = terms["kl"] * float("nan")
        return terms

    monkeypatch.setattr(VAE, "loss", poisoned)
    options = {**SMALL, "max_epochs": 2}
    with pytest.warns(RuntimeWarning, match="undone"):
        VAE(2, network=network, **options).fit(images())
    # steps 0 to 2 are the first epoch, 3 to 5 the undone one, 6 to 8 its repetition
    assert torch.equal(seen[3], seen[6])


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_models_survive_pickling_copies_and_resumption(network):
    X = images()
    model = VAE(2, network=network, **SMALL).fit(X)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same(outputs(twin, X), outputs(model, X))
    step_by_step = VAE(2, network=network, **SMALL)
    for _ in range(SMALL["max_epochs"]):
        step_by_step.partial_fit(X)
    assert_same(outputs(step_by_step, X), outputs(model, X))
    warm = VAE(2, network=network, **SMALL, warm_start=True).fit(X).fit(X)
    assert warm.n_epochs_ == 6
    assert not np.array_equal(warm.transform(X), model.transform(X))


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 10, 13)])
def test_every_row_has_the_same_bits_wherever_it_stands(network, shape):
    X = images(shape, n=150)
    model = VAE(3, network=network, **{**SMALL, "max_epochs": 1}).fit(X)
    order = np.random.default_rng(1).permutation(150)
    for method in (model.transform, model.reconstruct, model.score_samples):
        whole = method(X)
        np.testing.assert_array_equal(method(X[order]), whole[order])
        # Other numbers of rows may have blocks of other sizes, which round differently.
        tolerance = {"rtol": 0, "atol": 4 * np.finfo(np.float32).eps * abs(whole).max()}
        np.testing.assert_allclose(method(X[7:8]), whole[7:8], **tolerance)
        np.testing.assert_allclose(method(X[40:99]), whole[40:99], **tolerance)


def test_blocks_are_smaller_where_a_row_needs_more_memory():
    def block(network, shape):
        X = np.zeros((4, *shape), dtype=np.uint8)
        return VAE(2, network=network, max_epochs=1).fit(X).module_.block

    assert block(MLP(), (1, 28, 28)) == 512
    assert block(ConvNet(), (1, 28, 28)) == 128  # 16 x 14 x 14 values a row
    wide = ConvNet(channels=(64, 2), hidden_layer_sizes=())
    assert block(wide, (3, 64, 64)) == 16
