"""One seed gives one model, bit for bit, and nobody else's random numbers move."""

import os
import pickle
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import (
    DENSITIES,
    ESTIMATORS,
    NETWORKS,
    assert_same,
    describe,
    dropout_network,
    has_score,
    make_data,
    outputs,
    small,
    small_variants,
)
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork


def fit_outputs(X, **params):
    return outputs(small(**params).fit(X), X)


# ---------------------------------------------------------------- same seed, same bits


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_same_seed_gives_the_same_bits(variant, X):
    first = outputs(variant.fit(X), X)
    assert_same(outputs(variant.fit(X), X), first)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_other_seed_gives_another_model(cls, X):
    one, two = (small(cls, random_state=s).fit(X).transform(X) for s in (0, 1))
    assert not np.array_equal(one, two)


def test_no_seed_gives_another_model_each_time(X):
    one, two = (small(random_state=None).fit(X).transform(X) for _ in range(2))
    assert not np.array_equal(one, two)


def test_random_state_instance_advances_from_fit_to_fit(X):
    def two_fits():
        rng = np.random.RandomState(0)
        model = small(random_state=rng)
        return [model.fit(X).transform(X), model.fit(X).transform(X)]

    first, second = two_fits()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(two_fits(), [first, second])


def test_samples_differ_between_calls_unless_a_seed_is_given(fitted):
    assert not np.array_equal(fitted.sample(3), fitted.sample(3))
    one, two, three = (fitted.sample(3, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.parametrize("density", DENSITIES, ids=describe)
def test_samples_of_every_density_obey_the_seed(density, X):
    model = small(latent_density=density).fit(X)
    one, two, three = (model.sample(5, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)
    assert not np.array_equal(model.sample(5), model.sample(5))


def test_noisy_samples_differ_from_their_means_by_the_scale(X):
    model = small(likelihood="gaussian", max_epochs=10).fit(X)
    mean = model.sample(4000, random_state=0)
    noisy = model.sample(4000, mean=False, random_state=0)
    sd = (noisy - mean).std()
    assert sd == pytest.approx(model.likelihood_.scale_, rel=0.03)


def test_concurrent_fits_equal_sequential_ones(X):
    params = [
        {"random_state": 0},
        {"random_state": 1, "network": dropout_network()},
        {"random_state": 2, "latent_density": GaussianMixture(2)},
        {"random_state": 3, "network": dropout_network()},
    ]
    params = [{**p, "max_epochs": 10} for p in params]
    expected = [fit_outputs(X, **p) for p in params]
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(fit_outputs, X, **p) for p in params * 2]
    for future, want in zip(futures, expected * 2, strict=True):
        assert_same(future.result(), want)


@pytest.mark.parametrize("density", [None, GaussianMixture(2)], ids=describe)
def test_many_threads_read_one_model(density):
    X = make_data(600)
    model = small(latent_density=density).fit(X)
    expected = outputs(model, X)
    start = threading.Barrier(8)

    def read():
        start.wait()
        return [outputs(model, X) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(read) for _ in range(8)]
    for future in futures:
        for got in future.result():
            assert_same(got, expected)


FRESH = """
import pickle, sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads({threads})
from conftest import *
print("GLOBAL NOISE", torch.rand({noise}))
network, density = dropout_network(), GaussianMixture(2)
params = [{{}}, {{"network": network}}, {{"latent_density": density}}]
X = make_data()
result = [outputs(small(**p).fit(X), X) for p in params]
pickle.dump(result, open({path!r}, "wb"))
"""


@pytest.mark.slow
def test_another_process_gives_the_same_bits(tmp_path, X):
    path = str(tmp_path / "result.pkl")
    code = FRESH.format(
        tests=os.path.dirname(__file__),
        threads=torch.get_num_threads(),
        noise=7,
        path=path,
    )
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    with open(path, "rb") as file:
        result = pickle.load(file)
    params = [
        {},
        {"network": dropout_network()},
        {"latent_density": GaussianMixture(2)},
    ]
    for got, p in zip(result, params, strict=True):
        assert_same(got, fit_outputs(X, **p))


def _fit_with_threads(X, n_threads):
    torch.set_num_threads(n_threads)
    return fit_outputs(X)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib_gives_the_same_bits(backend, X):
    expected = fit_outputs(X)
    n_threads = torch.get_num_threads()
    results = Parallel(n_jobs=2, backend=backend)(
        delayed(_fit_with_threads)(X, n_threads) for _ in range(4)
    )
    for got in results:
        assert_same(got, expected)


THREADS_IN_WORKERS = """
from joblib import Parallel, cpu_count, delayed

def count():
    import numpy as np
    import torch
    from skvae import VAE
    from skvae.networks import MLP
    VAE(1, network=MLP(()), max_epochs=1, device="cpu").fit(np.eye(4))
    return torch.get_num_threads()

if __name__ == "__main__":
    counts = Parallel(n_jobs=2, backend="loky")(delayed(count)() for _ in range(4))
    print(max(counts), max(1, cpu_count() // 2))
"""


@pytest.mark.slow
def test_workers_of_joblib_do_not_oversubscribe_the_cores(tmp_path):
    script = tmp_path / "workers.py"
    script.write_text(THREADS_IN_WORKERS)
    free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    root = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**free, "PYTHONPATH": root},
    )
    assert run.returncode == 0, run.stderr
    used, allowed = map(int, run.stdout.split())
    assert used <= allowed


# ------------------------------------------------------------------- callers' contexts


class _DefaultDtype:
    def __init__(self, dtype):
        self.dtype = dtype

    def __enter__(self):
        torch.set_default_dtype(self.dtype)

    def __exit__(self, *error):
        torch.set_default_dtype(torch.float32)


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default float64": lambda: _DefaultDtype(torch.float64),
    "default bfloat16": lambda: _DefaultDtype(torch.bfloat16),
    "default device meta": lambda: torch.device("meta"),
}
CASES = {
    "plain": {},
    "dropout": {"network": dropout_network()},
    "mixture": {"latent_density": GaussianMixture(2)},
    "weighted": {"beta": 0.3, "kl_warmup": 0.7, "n_samples": 2, "free_bits": 0.1},
    "early stopping": {"early_stopping": True},
    "predicted scale": {"likelihood": GaussianLikelihood(scale="predicted")},
    "isotropic": {"posterior": "isotropic"},
    "constant": {"posterior": "constant"},
}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("params", CASES.values(), ids=CASES)
def test_fit_in_the_context_of_a_caller_gives_the_same_model(context, params, X):
    expected = fit_outputs(X, **params)
    with context():
        model = small(**params).fit(X)
    assert_same(outputs(model, X), expected)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("density", [None, GaussianMixture(2)], ids=describe)
def test_reading_in_the_context_of_a_caller_gives_the_same(context, density, X):
    model = small(latent_density=density).fit(X)
    expected = outputs(model, X)
    with context():
        got = outputs(model, X)
    assert_same(got, expected)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_fit_restores_the_settings_of_its_caller(context, X):
    def settings():
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            str(np.geterr()),
        )

    with context():
        before = settings()
        small().fit(X)
        assert settings() == before


# ---------------------------------------------------------------- global random states


def global_states():
    numpy_state = np.random.get_state()
    return (
        torch.get_rng_state().numpy().tobytes(),
        numpy_state[1].tobytes(),
        numpy_state[2:],
        random.getstate(),
    )


@pytest.fixture
def untouched_global_states():
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = global_states()
    yield
    assert global_states() == before, (
        "A global generator was used. Draw from the generator that is given; a network "
        "whose layers cannot, such as dropout, leaves `uses_global_rng` True."
    )


SEEDS = {"seed": 0, "no seed": None, "instance": np.random.RandomState(0)}


@pytest.mark.usefixtures("untouched_global_states")
@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_no_method_touches_a_global_generator(cls, seed, X):
    check_all_methods(small(cls, random_state=seed, network=dropout_network()), X)


@pytest.mark.usefixtures("untouched_global_states")
@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_no_part_touches_a_global_generator(variant, X):
    check_all_methods(variant, X)


def check_all_methods(model, X):
    model.fit(X).partial_fit(X)
    outputs(model, X)
    model.sample(3)
    if has_score(model):
        model.score(X)
    model.fit_transform(X)
    model.get_feature_names_out()
    pickle.loads(pickle.dumps(model)).sample(2)


class _Stop(Exception):
    pass


@pytest.mark.usefixtures("untouched_global_states")
@pytest.mark.parametrize("network", NETWORKS, ids=describe)
def test_a_fit_that_raises_touches_no_global_generator(network, X):
    def raise_late(optimizer):
        torch.rand(3, generator=torch.Generator())
        raise _Stop

    with pytest.raises(_Stop):
        small(network=network, lr_schedule=raise_late).fit(X)
    with pytest.raises(ValueError, match="n_components"):
        small(network=network, n_components=0).fit(X)


@pytest.mark.usefixtures("untouched_global_states")
def test_a_custom_network_that_raises_touches_no_global_generator(X):
    def broken(n_in, n_out):
        torch.rand(3)
        raise _Stop

    with pytest.raises(_Stop):
        small(network=CustomNetwork(encoder=broken, decoder=broken)).fit(X)


def test_the_lock_of_custom_networks_is_free_after_a_failure(X):
    with pytest.raises(TypeError, match="encoder"):
        small(network=CustomNetwork()).fit(X)
    done = threading.Thread(target=small(network=dropout_network()).fit, args=[X])
    done.daemon = True
    done.start()
    done.join(30)
    assert not done.is_alive()


NESTED = """
import sys
sys.path.insert(0, {tests!r})
from conftest import *
inner = small(network=dropout_network(), max_epochs=1)
class Keep:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None): pass
model = small(network=dropout_network(), latent_density=inner, max_epochs=2)
model.set_callbacks(Keep()).fit(make_data())
print("done")
"""


@pytest.mark.slow
def test_custom_networks_in_model_and_density_do_not_lock_each_other_out():
    code = NESTED.format(tests=os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.strip() == "done", run.stderr


# ------------------------------------------------------------------------ continuation


def in_single_epochs(estimator, X):
    """Return a clone of the estimator, fitted to its last epoch by `partial_fit`."""
    parts = clone(estimator)
    for _ in range(parts.max_epochs):
        parts.partial_fit(X)
    return parts


@pytest.mark.parametrize(
    "variant", [*small_variants(), small(**CASES["weighted"])], ids=describe
)
def test_partial_fits_equal_one_fit(variant, X):
    whole = clone(variant).fit(X)
    parts = in_single_epochs(variant, X)
    assert parts.n_epochs_ == whole.n_epochs_ == 3
    for name, values in whole.history_.items():
        np.testing.assert_array_equal(parts.history_[name], values)
    one, many = outputs(whole, X), outputs(parts, X)
    if hasattr(whole, "second_stage_"):  # which single epochs train in between
        for name in ("sample", "noisy", "score"):
            del one[name], many[name]
    assert_same(many, one)


def test_partial_fits_hold_out_the_same_rows_as_one_fit(X):
    # One fit goes back to its best epoch; single epochs have nothing to go back to.
    model = small(early_stopping=True, n_iter_no_change=100)
    np.testing.assert_array_equal(
        in_single_epochs(model, X).history_["validation_loss"],
        clone(model).fit(X).history_["validation_loss"],
    )


def test_warm_start_goes_on_where_it_stopped(X):
    warm = small(warm_start=True, max_epochs=2, kl_warmup=0.0).fit(X)
    first = {name: values.copy() for name, values in warm.history_.items()}
    warm.set_params(max_epochs=3).fit(X)
    assert warm.n_epochs_ == 5
    for name, values in warm.history_.items():
        assert len(values) == 5
        np.testing.assert_array_equal(values[:2], first[name])
    # Adam's moments are kept, hence the bits of five epochs in one go.
    straight = small(max_epochs=5, kl_warmup=0.0).fit(X)
    assert_same(outputs(warm, X), outputs(straight, X))


def test_without_warm_start_a_second_fit_starts_afresh(X):
    model = small().fit(X)
    first = outputs(model, X)
    model.fit(X)
    assert model.n_epochs_ == 3
    assert_same(outputs(model, X), first)


def test_continuing_does_not_change_an_earlier_copy(X):
    model = small(warm_start=True).fit(X)
    module, history = model.module_, model.history_
    weights = {k: v.clone() for k, v in module.state_dict().items()}
    lengths = {k: len(v) for k, v in history.items()}
    model.fit(X)
    assert all(torch.equal(v, weights[k]) for k, v in module.state_dict().items())
    assert {k: len(v) for k, v in history.items()} == lengths


# ---------------------------------------------------------------- rows are independent


WIDTHS = {
    "narrow": {"network": MLP((8,))},
    "odd": {"network": MLP((5, 6), activation="tanh", skip=True)},
    "nine": {"network": MLP((9, 10))},
    "thirteen": {"network": MLP((13, 30)), "n_components": 3},
    "no skip": {"network": MLP((9, 13), skip=False), "n_components": 3},
    "linear": {"network": MLP(()), "n_components": 1},
    "wide": {"network": MLP((512, 512)), "n_components": 16},
    "wide silu": {"network": MLP((512,), activation="silu"), "n_components": 7},
    "wide gelu": {"network": MLP((512,), activation="gelu"), "n_components": 7},
    "bernoulli": {"network": MLP((32,)), "likelihood": "bernoulli"},
    "predicted": {"network": MLP((30,)), "likelihood": GaussianLikelihood("predicted")},
    "isotropic": {"network": MLP((30,)), "posterior": "isotropic"},
}
READERS = {
    "transform": lambda model, X: model.transform(X),
    "reconstruct": lambda model, X: model.reconstruct(X),
    "score_samples": lambda model, X: model.score_samples(X, n_importance_samples=5),
}


@pytest.fixture(scope="module")
def models():
    X = make_data(300, 64)
    return {
        name: small(**{"max_epochs": 1, "batch_size": 100, **params}).fit(X)
        for name, params in WIDTHS.items()
    }


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", WIDTHS)
def test_a_row_is_read_the_same_in_any_company(models, name, read):
    X = make_data(300, 64, seed=1)
    together = read(models[name], X)
    rng = np.random.default_rng(0)
    order = rng.permutation(300)
    np.testing.assert_array_equal(read(models[name], X[order]), together[order])
    # Other numbers of rows may have blocks of other sizes, which round differently.
    tolerance = 4 * np.finfo(np.float32).eps * np.abs(together).max()
    subset = np.flatnonzero(rng.random(300) < 0.3)
    for rows in [subset, subset[:2], *([i] for i in range(20))]:
        np.testing.assert_allclose(
            read(models[name], X[rows]), together[rows], rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("n_rows", [2, 4, 8, 16, 33, 600])
@pytest.mark.parametrize("name", ["nine", "no skip"])
def test_equal_rows_of_one_call_are_equal_bit_for_bit(models, name, n_rows):
    for row in make_data(10, 64, seed=1):
        X = np.tile(row, (n_rows, 1))
        for read in READERS.values():
            out = read(models[name], X)
            np.testing.assert_array_equal(out, np.broadcast_to(out[0], out.shape))


@pytest.mark.parametrize(
    ("n_rows", "n_inferred"), [(1, 4), (2, 32), (33, 64), (500, 512), (513, 1024)]
)
def test_few_rows_cost_little(models, n_rows, n_inferred):
    model, X = models["narrow"], make_data(n_rows, 64)
    encoded, decoded = [], []
    hooks = [
        network.register_forward_hook(lambda layer, x, out, n=n: n.append(len(out)))
        for network, n in (
            (model.module_.encoder, encoded),
            (model.module_.decoder, decoded),
        )
    ]
    model.transform(X)
    model.inverse_transform(np.zeros((n_rows, 2)))
    assert (sum(encoded), sum(decoded)) == (n_inferred, n_inferred)
    encoded.clear(), decoded.clear()
    model.score_samples(X)
    assert sum(encoded) <= n_inferred
    assert sum(decoded) == 64 * (1 if n_rows == 1 else sum(encoded))
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 6, 10, 13, 30])
def test_a_row_is_read_the_same_for_any_number_of_features(n_features):
    X = make_data(300, n_features)
    model = small(network=MLP((8,)), max_epochs=1).fit(X)
    order = np.random.default_rng(0).permutation(300)
    np.testing.assert_array_equal(model.transform(X[order]), model.transform(X)[order])


@pytest.mark.parametrize(
    "density",
    [GaussianMixture(2), KernelDensity(), small(max_epochs=1)],
    ids=describe,
)
def test_scores_under_any_density_do_not_depend_on_the_order(density):
    X = make_data(100, 8)
    model = small(latent_density=density).fit(X)
    order = np.random.default_rng(0).permutation(100)
    scores = model.score_samples(X, n_importance_samples=4)
    permuted = model.score_samples(X[order], n_importance_samples=4)
    np.testing.assert_allclose(permuted, scores[order], rtol=1e-12, atol=1e-12)


def test_equal_rows_have_equal_scores_and_distinct_rows_independent_errors():
    X = make_data(500, 4)
    model = small(max_epochs=10).fit(X)
    twice = model.score_samples(np.repeat(X[:3], 4, axis=0))
    assert len(np.unique(twice)) == len(np.unique(model.score_samples(X[:3])))
    # The errors of one-sample bounds would all move together with common noise.
    nearly = X[:1] + 1e-4 * np.arange(500)[:, None].astype(np.float32)
    bounds = model.score_samples(nearly, n_importance_samples=1)
    errors = bounds - np.poly1d(np.polyfit(np.arange(500), bounds, 2))(np.arange(500))
    neighbours = np.corrcoef(errors[1:], errors[:-1])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(500)
    assert errors.std() > 0.05


def test_score_noise_averages_out_over_rows(X):
    model = small(max_epochs=10).fit(X)
    rng = np.random.default_rng(0)
    cloud = X[:1] + 1e-6 * rng.standard_normal((4000, X.shape[1])).astype(np.float32)
    bounds = model.score_samples(cloud, n_importance_samples=1)
    halves = bounds.reshape(2, -1).mean(1)
    standard_error = bounds.std() * np.sqrt(2 / 2000)
    assert abs(halves[0] - halves[1]) < 4 * standard_error


def test_scores_are_the_same_for_equal_values_of_any_type(fitted, X):
    values = (X * 16).round() / 16
    expected = fitted.score_samples(values)
    for dtype in (np.float64, np.float16, np.longdouble):
        np.testing.assert_array_equal(
            fitted.score_samples(values.astype(dtype)), expected
        )


def test_negative_zero_scores_like_zero(fitted, X):
    row = X[:1].copy()
    row[0, 2] = 0.0
    zero = fitted.score_samples(row)
    row[0, 2] = -0.0
    np.testing.assert_array_equal(fitted.score_samples(row), zero)
