"""Images in, images out: every estimator, method and layout."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import (
    ESTIMATORS,
    assert_same,
    assert_same_values,
    describe,
    outputs,
    small,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from small_images import C, H, W, make_images
from torch import nn

from skvae import evaluate, make_sample_scorer, sample_pipeline
from skvae._utils.sources import is_memory_mapped
from skvae.diagnostics import (
    decoding_scores,
    latent_diagnostics,
    optimal_decoder,
    reconstruction_matching,
)
from skvae.likelihoods import DiscretizedLogisticLikelihood
from skvae.networks import MLP, ConvNet, CustomNetwork, ImageNetwork

NETWORK = ConvNet(channels=(3,), hidden_layer_sizes=(5,))


@pytest.fixture(scope="module")
def X():
    return make_images()


@pytest.mark.parametrize("network", [MLP((8,)), NETWORK], ids=describe)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_images_come_back_in_their_shape_with_the_values_of_rows(cls, network, X):
    rows = X.reshape(len(X), -1)
    of_rows = network
    if isinstance(network, ImageNetwork):
        of_rows = ConvNet(**{**network.get_params(), "image_shape": (C, H, W)})
    model = small(cls, network=network).fit(X)
    flat = small(cls, network=of_rows).fit(rows)
    assert model.n_features_in_ == flat.n_features_in_ == C * H * W
    assert model.image_shape_ == (C, H, W)
    assert model.sample(4).shape == (4, C, H, W)
    assert model.reconstruct(X).shape == X.shape
    assert model.inverse_transform(model.transform(X)).shape == X.shape
    expected = outputs(flat, rows)
    actual = {
        name: value.reshape(expected[name].shape)
        for name, value in outputs(model, X).items()
    }
    assert_same(actual, expected)
    # Either may be asked with the other's X, and answers in its own shape.
    np.testing.assert_array_equal(model.reconstruct(rows), model.reconstruct(X))
    np.testing.assert_array_equal(flat.reconstruct(X), flat.reconstruct(rows))


@pytest.mark.parametrize("shape", [(1, 12, 5), (12, 5)])
def test_grey_images_have_one_channel_or_none(shape, X):
    X = X.reshape(-1, *shape)
    model = small(network=NETWORK).fit(X)
    assert model.sample(3).shape == (3, *shape)
    assert model.image_shape_ == (1, 12, 5)
    other = X.reshape(-1, 12, 5) if len(shape) == 3 else X[:, None]
    np.testing.assert_array_equal(model.transform(other), model.transform(X))
    assert model.reconstruct(other).shape == X.shape


def test_the_name_convnet_is_enough_for_images(X):
    model = small(network="convnet").fit(X)
    assert model.sample(2).shape == (2, C, H, W)
    with pytest.raises(ValueError, match=r"rows of 36 .*image_shape=\(6, 6\)"):
        small(network="convnet").fit(np.zeros((5, 36)))
    with pytest.raises(ValueError, match=r"rows of 27 .*image_shape=\(3, 3, 3\)"):
        small(network="convnet").fit(np.zeros((5, 27)))


def test_rows_know_no_image_shape_unless_the_network_does(X):
    rows = X.reshape(len(X), -1)
    assert small().fit(rows).image_shape_ is None
    network = ConvNet((3,), image_shape=(C, H, W))
    model = small(network=network).fit(rows)
    assert model.image_shape_ == (C, H, W)
    assert model.sample().shape == (1, C * H * W)
    assert network.image_shape == (C, H, W)


def test_fit_leaves_the_networks_image_shape_as_it_was(X):
    network = ConvNet((3,))
    small(network=network).fit(X)
    assert network.image_shape is None


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_partial_fit_takes_images(cls, X):
    model = small(cls, network=NETWORK).partial_fit(X).partial_fit(X)
    assert model.n_epochs_ == 2
    assert model.sample().shape == (1, C, H, W)
    with pytest.raises(ValueError, match=r"shape \(2, 5, 6\), but .*\(2, 6, 5\)"):
        model.partial_fit(X.transpose(0, 1, 3, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X: X.transpose(0, 1, 3, 2), r"\(2, 5, 6\).*\(2, 6, 5\).*to that shape"),
        (lambda X: X.transpose(0, 2, 3, 1), r"Transpose X: X.transpose\(0, 3, 1, 2\)"),
        (lambda X: X[:, :1], r"\(1, 6, 5\).*\(2, 6, 5\)"),
        (lambda X: X[0, 0], "6 features|has 5 features.*expecting 60"),
        (lambda X: X[..., None], "5 dimensions.*reshape"),
    ],
)
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test_other_images_than_those_of_fit_are_refused(make, message, method, X):
    model = small(network=NETWORK).fit(X)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(make(X))


def test_channels_last_is_refused_with_the_remedy():
    X = np.zeros((5, 8, 9, 3), dtype=np.uint8)
    message = r"\(5, 8, 9, 3\), whose channels .*X.transpose\(0, 3, 1, 2\)"
    for network in ("mlp", "convnet"):
        with pytest.raises(ValueError, match=message):
            small(network=network).fit(X)
    rows = X.reshape(5, -1)  # as the message says
    assert small(network=ConvNet((3,), image_shape=(8, 9, 3))).fit(rows).n_epochs_


def test_contradicting_shapes_are_refused(X):
    for network in (
        ConvNet((3,), image_shape=(12, 5)),
        CustomNetwork(nn.Linear, nn.Linear, (12, 5)),
    ):
        message = r"\(12, 5\), but X has images of shape \(2, 6, 5\)"
        with pytest.raises(ValueError, match=message):
            small(network=network).fit(X)
        for width in (61, 120):
            message = f"60 values, but X has {width} features"
            with pytest.raises(ValueError, match=message):
                small(network=network).fit(np.zeros((4, width)))


# -------------------------------------------------------------------------- containers


def test_lists_and_tensors_of_images_are_taken(X):
    expected = outputs(small(network=NETWORK).fit(X), X)
    for other in (list(X), X.tolist(), torch.tensor(X), [torch.tensor(x) for x in X]):
        actual = outputs(small(network=NETWORK).fit(other), other)
        assert_same_values(actual, expected)


def test_bytes_and_their_floats_give_the_same_model(X):
    floats = X.astype(np.float32)
    assert_same(
        outputs(small(network=NETWORK).fit(X), X),
        outputs(small(network=NETWORK).fit(floats), floats),
    )


def test_bytes_suit_the_likelihoods_or_are_refused_with_the_remedy(X):
    levels = DiscretizedLogisticLikelihood(high=255)
    assert small(network=NETWORK, likelihood=levels).fit(X).score(X) < 0
    for likelihood in ("bernoulli", "continuous_bernoulli"):
        with pytest.raises(ValueError, match=r"in \[0, 1\].*X / np.float32\(255\)"):
            small(network=NETWORK, likelihood=likelihood).fit(X)
        model = small(network=NETWORK, likelihood=likelihood)
        sample = model.fit(X / np.float32(255)).sample(20)
        assert ((sample >= 0) & (sample <= 1)).all()


def test_memory_mapped_images_stay_memory_mapped(X, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    model = small(network=NETWORK)
    assert is_memory_mapped(model._validate(mapped, reset=True))
    assert np.shares_memory(model._validate(mapped, reset=True), mapped)
    assert_same(
        outputs(model.fit(mapped), mapped), outputs(small(network=NETWORK).fit(X), X)
    )


def test_set_output_names_components_of_images(X):
    model = small(network=NETWORK).set_output(transform="pandas").fit(X)
    assert isinstance(model.transform(X), pd.DataFrame)
    assert model.inverse_transform(model.transform(X)).shape == X.shape


# -------------------------------------------------------------- pipelines and searches


def test_a_network_of_images_sits_in_a_pipeline_after_a_scaler(X):
    rows = X.reshape(len(X), -1)
    network = ConvNet((3,), image_shape=(C, H, W))
    pipeline = make_pipeline(MinMaxScaler(), small(network=network)).fit(rows)
    assert sample_pipeline(pipeline, 3).shape == (3, C * H * W)
    assert pipeline.transform(rows).shape == (len(X), 2)


def test_a_pipeline_may_make_images_itself(X):
    rows = X.reshape(len(X), -1)
    to_images = FunctionTransformer(as_images, as_rows, check_inverse=False)
    pipeline = make_pipeline(StandardScaler(), to_images, small(network=NETWORK))
    pipeline.fit(rows)
    assert sample_pipeline(pipeline, 3).shape == (3, C * H * W)


def as_images(X):
    return X.reshape(-1, C, H, W)


def as_rows(X):
    return X.reshape(len(X), -1)


def test_searches_take_images(X):
    scorer = make_sample_scorer("neg_frechet_distance")
    model = small(network=ConvNet((3,)))
    grid = {"network__channels": [(2,), (3,)]}
    with pytest.warns(UserWarning, match="features"):
        search = GridSearchCV(model, grid, cv=2, scoring=scorer).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.sample(2).shape == (2, C, H, W)
    assert np.isfinite(GridSearchCV(model, grid, cv=2).fit(X).best_score_)


@pytest.mark.filterwarnings("ignore:.*the Fréchet distance")
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_evaluate_takes_images(cls, X):
    model = small(cls, network=NETWORK).fit(X[:40])
    flat = X.reshape(len(X), -1)
    of_images = evaluate(model, X[:40], X[40:], n_bootstrap=2)
    of_rows = evaluate(model, flat[:40], flat[40:], n_bootstrap=2)
    assert str(of_images) == str(of_rows)


@pytest.mark.filterwarnings("ignore:.*the Fréchet distance")
def test_diagnostics_take_images(X):
    model, flat = small(network=NETWORK).fit(X[:40]), X.reshape(len(X), -1)
    one = reconstruction_matching(model, X[40:], X[:40])
    two = reconstruction_matching(model, flat[40:], flat[:40])
    assert one.error_to_input.shape == (20,)
    np.testing.assert_array_equal(one.error_to_input, two.error_to_input)
    error = (model.reconstruct(X[40:]) - X[40:].astype(np.float64)) ** 2
    np.testing.assert_allclose(one.error_to_input, error.mean((1, 2, 3)), rtol=1e-6)
    assert optimal_decoder(model, X[40:], X[:40]).perplexity.shape == (20,)
    scores = decoding_scores(model, X[40:], X[:20], random_state=0)
    assert np.isfinite(scores.reconstruction)
    assert np.isfinite(latent_diagnostics(model, X).mmd.value)
