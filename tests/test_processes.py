"""A fit on several processes is the fit of one, and the same on all of them."""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist
from conftest import assert_same, dropout_network, make_data, outputs, small
from mixed_frames import make_frame
from process_groups import one_process
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from torch import nn

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._utils.random import standard_normal
from skvae.densities import ClassConditionalDensity
from skvae.likelihoods import GaussianLikelihood
from skvae.losses import squared_weights
from skvae.networks import MLP, ConvNet, CustomNetwork

# With batches of at most 16 rows, no epoch of these has batches of equal size.
X = make_data(123, 16)
LABELS = np.arange(len(X)) % 2
NOTES = []  # of a process
N_EPOCHS = 10
CONVOLUTIONS = ConvNet(channels=(4,), hidden_layer_sizes=(), normalization="batch")
SECOND = VAE(2, network=MLP((16,)), batch_size=16, max_epochs=N_EPOCHS)


def fitted(cls=VAE, data=X, distributed=True, **params):
    """Return a small model and the history of its fit."""
    params = {"max_epochs": N_EPOCHS, "early_stopping": True, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return small(cls, distributed=distributed, **params).fit(data)


def numbers(model):
    """Return everything that a model has learned and recorded, as arrays."""
    found = {f"history.{k}": v for k, v in model.history_.items()}
    found["kl"] = model.kl_per_component_
    for name, tensor in model.module_.state_dict().items():
        found[name] = tensor.detach().numpy()
    density = model.latent_density_
    if hasattr(density, "module_"):
        found |= {f"second.{k}": v for k, v in numbers(density).items()}
    if hasattr(density, "means_"):
        found["means"] = density.means_
    return found


def numbers_of_fit(*args, **params):
    return numbers(fitted(*args, **params))


def numbers_with(options):
    return numbers_of_fit(**options)


def assert_near(found, expected, tolerance):
    """Assert that arrays are equal up to a share of their largest value."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        largest = np.nanmax(np.abs(value), initial=0)
        np.testing.assert_allclose(
            found[name], value, rtol=0, atol=tolerance * largest + 1e-7, err_msg=name
        )


class InFloat64(VAE):
    """A loss with terms in another type, and one that is no value by row."""

    def loss(self, module, x, generator, annealing):
        terms = super().loss(module, x, generator, annealing)
        terms = {name: term.double() for name, term in terms.items()}
        return {**terms, "weights": 1e-3 * squared_weights(module.decoder)}


# A sum in another order differs by the rounding of float32, 6e-8. Where losses couple
# rows, or gradients pass through singular values, hundreds of steps make it larger.
EXACT, COUPLED = 1e-5, 1e-4
CASES = {
    "VAE": ({}, EXACT),
    "without rows held out": ({"early_stopping": False}, EXACT),
    "batches of fewer rows than processes": ({"batch_size": 1, "max_epochs": 2}, EXACT),
    "rows held out of their own": ({"validation_fraction": 0.02}, EXACT),
    "terms in float64": ({"cls": InFloat64}, EXACT),
    "plateau": ({"lr_schedule": "plateau", "learning_rate": 1e-2}, COUPLED),
    "noise of the input": ({"input_noise": 0.1}, EXACT),
    "draws of several codes": ({"n_samples": 3}, EXACT),
    "full covariances": ({"posterior": "full"}, EXACT),
    "scale by gradient": (
        {"likelihood": GaussianLikelihood("global", update="gradient")},
        EXACT,
    ),
    "mixture": ({"latent_density": GaussianMixture(3, random_state=0)}, COUPLED),
    "IWAE": ({"cls": IWAE}, EXACT),
    "RAE": ({"cls": RAE}, EXACT),
    "gradient penalty": ({"cls": RAE, "regularizer": "gradient_penalty"}, EXACT),
    "spectral norm": ({"cls": RAE, "regularizer": "spectral_norm"}, COUPLED),
    "WAE": ({"cls": WAE}, COUPLED),
    "WAE with an rbf kernel": ({"cls": WAE, "kernel": "rbf"}, COUPLED),
    # Two networks that play against each other are chaotic: one process differs from
    # itself by 7e-3 after 30 epochs if X changes in the last digit.
    "WAE with an adversary": (
        {"cls": WAE, "divergence": "gan", "max_epochs": 1},
        COUPLED,
    ),
    "two stages": ({"cls": TwoStageVAE, "second_stage": SECOND}, COUPLED),
    # Behind batch normalisation a shift of the codes changes nothing but their KL
    # divergence: without a weight for it, Adam would follow the sign of rounding.
    "batch normalisation": ({"network": CONVOLUTIONS, "kl_warmup": 0.0}, COUPLED),
    # Shares of 24 rows are equal, without which this penalty is not quite the same.
    "batch normalisation twice differentiated": (
        {
            **{"cls": RAE, "network": CONVOLUTIONS, "regularizer": "gradient_penalty"},
            **{"data": X[:120], "batch_size": 24, "early_stopping": False},
        },
        COUPLED,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_several_processes_give_the_fit_of_one(group, name):
    options, tolerance = CASES[name]
    options = {"cls": VAE, "data": X, **options}
    if "network" in options:
        options["data"] = options["data"].reshape(-1, 4, 4)
    first, *others = group(numbers_with, options)
    for other in others:
        assert_same(other, first)
    assert_near(first, numbers_with({**options, "distributed": False}), tolerance)


def frames_and_labels():
    frame = make_frame(80)
    table = fitted(data=frame, max_epochs=5)
    density = ClassConditionalDensity()
    labelled = small(latent_density=density, distributed=True, max_epochs=5)
    labelled.fit(X, LABELS)
    held_out = small(distributed=True, max_epochs=5).fit(X[:100], X_val=X[100:])
    sample = labelled.sample(5, y=[1] * 5, random_state=0)
    return {
        **numbers(table),
        "categories": np.array(table.sample(5, random_state=0)["city"].astype(str)),
        "labelled": sample,
        **{f"own.{k}": v for k, v in numbers(held_out).items()},
    }


def continued_fits():
    stream = small(distributed=True)
    for chunk in np.array_split(X, 3):
        stream.partial_fit(chunk)
    warm = fitted(warm_start=True, max_epochs=3)
    warm.fit(X)
    return {
        **numbers(stream),
        "sample": stream.sample(3, random_state=0),
        **{f"warm.{k}": v for k, v in numbers(warm).items()},
    }


@pytest.mark.slow
@pytest.mark.parametrize("function", [frames_and_labels, continued_fits])
def test_other_ways_to_fit_are_shared_as_well(group, function):
    first, *others = group(function)
    for other in others:
        assert_same(other, first)
    with one_process():
        expected = function()
    if "categories" in expected:
        assert first.pop("categories").tolist() == expected.pop("categories").tolist()
    assert_near(first, expected, 1e-4)


def test_a_group_of_one_process_changes_no_bit():
    with one_process():
        found = numbers_of_fit(max_epochs=3)
    assert_same(found, numbers_of_fit(max_epochs=3, distributed=False))


def test_processes_must_be_there():
    model = small(distributed=True)
    with pytest.raises(ValueError, match=r"torchrun --nproc-per-node=2.*init_process"):
        model.fit(X)
    assert not hasattr(model, "module_")
    with pytest.raises(TypeError, match="'distributed' parameter of VAE must be"):
        small(distributed="yes").fit(X)


def fits_of_their_own():
    """Fit without asking for the others: on one, on all, and in a search."""
    rank = dist.get_rank()
    found = {"own": numbers_of_fit(distributed=False, random_state=rank)}
    if rank == 0:
        found["alone"] = numbers_of_fit(distributed=False, max_epochs=4)
        search = GridSearchCV(small(max_epochs=3), {"n_components": [1, 2]}, cv=2)
        found["search"] = {"score": np.array(search.fit(X).best_score_)}
    return found


@pytest.mark.slow
def test_nothing_is_shared_unless_asked_for(group):
    found = group(fits_of_their_own)
    for rank, fits in enumerate(found):
        own = numbers_of_fit(distributed=False, random_state=rank)
        assert_same(fits["own"], own)
    assert_same(found[0]["alone"], numbers_of_fit(distributed=False, max_epochs=4))
    search = GridSearchCV(small(max_epochs=3), {"n_components": [1, 2]}, cv=2).fit(X)
    assert found[0]["search"]["score"] == search.best_score_


def search_on_all():
    model = small(distributed=True, max_epochs=3)
    return GridSearchCV(model, {"n_components": [1, 2]}, cv=2).fit(X).best_score_


@pytest.mark.slow
def test_a_search_may_run_on_all_processes(group):
    scores = group(search_on_all)
    assert len(set(scores)) == 1


def fit_without_seed():
    model = fitted(random_state=None, max_epochs=2)
    return numbers(model), model._seed


@pytest.mark.slow
def test_without_a_seed_all_have_that_of_the_first(group, monkeypatch):
    (found, seed), *_ = group(fit_without_seed)
    monkeypatch.setattr("skvae._training.fit.draw_seed", lambda _: seed)
    assert_near(found, numbers_of_fit(max_epochs=2, distributed=False), EXACT)


class Normalised(nn.Module):
    """A module with torch's batch normalisation and dropout."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.linear, self.norm = nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        if self.training:
            mask, average = self.dropout(torch.ones(64)), self.norm.running_mean
            NOTES.append([mask.tolist(), average.tolist()])
        return self.norm(self.linear(self.dropout(x)))


def fit_of_foreign_modules():
    dropout = fitted(network=dropout_network(), max_epochs=2)
    network = CustomNetwork(Normalised, nn.Linear)
    model = fitted(network=network, max_epochs=2)
    found = {**outputs(model, X), **numbers(dropout)}
    return found, NOTES[-7:]  # in the seven batches of the last epoch


class OwnDraws(VAE):
    """A loss that draws from the generator itself, and keeps what it has drawn."""

    def loss(self, module, x, generator, annealing):
        options = {"generator": generator, "device": "cpu"}
        draws = torch.rand(14, generator=generator)
        normal = standard_normal(7, 2, **options).flatten()
        NOTES.append([draws.tolist(), normal.tolist()])
        return super().loss(module, x, generator, annealing)


def draws_of_own_loss():
    NOTES.clear()
    fitted(OwnDraws, max_epochs=1)
    return np.array(NOTES)


@pytest.mark.slow
def test_modules_with_state_have_the_same_on_all_processes(group):
    (first, notes), *others = group(fit_of_foreign_modules)
    for other, other_notes in others:
        assert_same(other, first)
        (mask, average), (other_mask, other_average) = notes[0], other_notes[0]
        assert other_mask != mask
        assert other_average == average
        assert other_notes[1][1] != notes[1][1]  # its own, until the epoch ends


@pytest.mark.slow
def test_other_draws_of_a_loss_are_each_processs_own(group):
    draws = group(draws_of_own_loss)
    for other in draws[1:]:
        assert not (draws[0] == other).any()


def spoken():
    """Return what a verbose fit prints, which callbacks it calls, and its warnings."""
    calls = []

    class Callback:
        def setup(self, estimator, context):
            calls.append("setup")

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            calls.append(fitted_estimator.n_epochs_)
            return fitted_estimator.n_epochs_ == 4

        def teardown(self, estimator, context):
            pass

    model = small(distributed=True, verbose=1, max_epochs=9, n_components=10)
    model.set_callbacks(Callback())
    data = X.copy()
    data[0, 0] = 1e6
    out, told = io.StringIO(), warnings.catch_warnings(record=True)
    with contextlib.redirect_stdout(out), told as told:
        warnings.simplefilter("always")
        model.fit(data)
    ours = [str(w.message) for w in told if "Column 0" in str(w.message)]
    return model.n_epochs_, calls, out.getvalue().count("epoch"), len(ours)


@pytest.mark.slow
def test_the_first_process_speaks_for_all_and_stops_all(group):
    first, *others = group(spoken)
    assert first == (4, ["setup", 1, 2, 3, 4, 4], 4, 1)
    assert others == [(4, [], 0, 0)] * len(others)


def model_with_models_inside():
    density = VAE(2, network=MLP((8,)), max_epochs=2, random_state=0, distributed=True)
    return outputs(fitted(latent_density=density, max_epochs=2), X)


@pytest.mark.slow
def test_a_model_inside_another_is_fitted_by_the_first_process(group):
    first, *others = group(model_with_models_inside)
    for other in others:
        assert_same(other, first)
