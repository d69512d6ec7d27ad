import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    StandardScaler,
)

from skvae import VAE
from skvae.networks import MLP
from skvae.pipeline import sample_pipeline


def make_vae(**params):
    network = MLP(hidden_layer_sizes=(16,))
    options = {"batch_size": 32, "max_epochs": 40, "random_state": 0, **params}
    return VAE(2, network=network, **options)


def make_rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((n, 2)) @ rng.standard_normal((2, 4))
    return [1000, 0, -5, 3] + [100, 0.01, 1, 1] * h


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(StandardScaler(), make_vae()).fit(make_rows())


def test_samples_have_the_units_of_the_input(pipeline):
    X, S = make_rows(), sample_pipeline(pipeline, 2000, mean=False, random_state=0)
    assert S.shape == (2000, 4)
    np.testing.assert_array_less(np.abs(S.mean(0) - X.mean(0)), X.std(0))
    ratio = S.std(0) / X.std(0)
    np.testing.assert_array_less(np.abs(np.log(ratio)), np.log(3))


@pytest.mark.parametrize("mean", [True, False])
def test_equals_the_steps_by_hand(pipeline, mean):
    scaler, vae = pipeline
    expected = scaler.inverse_transform(vae.sample(5, mean=mean, random_state=3))
    actual = sample_pipeline(pipeline, 5, mean=mean, random_state=3)
    np.testing.assert_array_equal(actual, expected)


def test_several_steps_are_undone_in_reverse_order():
    X = make_rows()
    pipeline = make_pipeline(
        StandardScaler(), PCA(3), "passthrough", None, MinMaxScaler(), make_vae()
    ).fit(X)
    expected = pipeline[-1].sample(5, random_state=0)
    for step in (pipeline[4], pipeline[1], pipeline[0]):
        expected = step.inverse_transform(expected)
    actual = sample_pipeline(pipeline, 5, random_state=0)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("density", [GaussianMixture(2), KernelDensity()])
def test_any_density_can_be_the_last_step(density):
    pipeline = make_pipeline(StandardScaler(), density).fit(make_rows())
    first = sample_pipeline(pipeline, 6, random_state=0)
    assert first.shape == (6, 4)
    np.testing.assert_array_equal(
        first, sample_pipeline(pipeline, 6, mean=False, random_state=0)
    )
    assert (first != sample_pipeline(pipeline, 6, random_state=1)).any()


def test_pipeline_inside_a_pipeline(pipeline):
    X = make_rows()
    nested = make_pipeline(
        make_pipeline(StandardScaler()), make_pipeline(MinMaxScaler(), make_vae())
    ).fit(X)
    S = sample_pipeline(nested, 500, random_state=0)
    np.testing.assert_array_less(np.abs(S.mean(0) - X.mean(0)), X.std(0))


def test_pipeline_of_one_step(pipeline):
    alone = Pipeline([("vae", pipeline[-1])])
    np.testing.assert_array_equal(
        sample_pipeline(alone, 3, random_state=0),
        pipeline[-1].sample(3, random_state=0),
    )


@pytest.mark.filterwarnings("error")
def test_frames_leave_no_warning():
    frame = pd.DataFrame(make_rows(), columns=list("abcd"))
    vae = make_vae().set_output(transform="pandas")
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), vae)
    assert sample_pipeline(pipeline.fit(frame), 3).shape == (3, 4)


def test_calls_without_seed_differ_and_leave_global_generators_alone(pipeline):
    kde = make_pipeline(StandardScaler(), KernelDensity()).fit(make_rows())
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    for fitted in (pipeline, kde):
        assert (sample_pipeline(fitted, 3) != sample_pipeline(fitted, 3)).any()
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])
    assert torch.equal(torch_before, torch.get_rng_state())


def test_no_pipeline():
    with pytest.raises(TypeError, match=r"needs a scikit-learn Pipeline.*Got VAE\("):
        sample_pipeline(VAE())


def test_unfitted():
    with pytest.raises(NotFittedError, match="Pipeline"):
        sample_pipeline(make_pipeline(StandardScaler(), VAE()))


@pytest.mark.parametrize(
    ("step", "name"),
    [(LinearRegression(), "LinearRegression"), ("passthrough", "'passthrough'")],
)
def test_last_step_cannot_sample(step, name):
    pipeline = Pipeline([("scale", StandardScaler()), ("end", step)])
    with pytest.raises(AttributeError, match=rf"step 'end' \({name}\) has none"):
        sample_pipeline(pipeline)


@pytest.mark.parametrize("step", [Normalizer(), FunctionTransformer(np.exp)])
def test_step_cannot_be_inverted(step):
    pipeline = Pipeline([("odd", step), ("vae", VAE())])
    with pytest.raises(AttributeError, match=rf"step 'odd' \({type(step).__name__}\)"):
        sample_pipeline(pipeline)


def test_function_with_inverse():
    step = FunctionTransformer(np.log1p, np.expm1)
    X = np.exp(make_rows()[:, 2:])
    pipeline = make_pipeline(step, StandardScaler(), make_vae()).fit(X)
    assert (sample_pipeline(pipeline, 100, mean=False, random_state=0) >= -1).all()


@pytest.mark.parametrize("n_samples", [0, -1])
def test_number_of_samples(pipeline, n_samples):
    with pytest.raises(ValueError, match=rf"n_samples.*>= 1. Got {n_samples}"):
        sample_pipeline(pipeline, n_samples)
