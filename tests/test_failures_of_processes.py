"""What fails on one of several processes ends all of them in one state."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fits_of_processes import (  # noqa: F401
    CALLS,
    X,
    assert_all_same,
    fit,
    fit_with_density,
    group_size,
    is_fitted,
    kinds,
    last_outputs,
    new,
    next_fit_works,
    rank,
    with_another_density,
)
from sklearn.mixture import GaussianMixture
from torch import nn

from skvae import RAE, VAE
from skvae._utils import sources
from skvae.networks import MLP, CustomNetwork

pytestmark = pytest.mark.slow


class Failing(VAE):
    """Fails on one process, in one of its batches."""

    def loss(self, module, x, generator, annealing):
        if rank() == 1 and len(CALLS) == 20:
            raise OSError("the disk is full")
        CALLS.append(1)
        return super().loss(module, x, generator, annealing)


def fit_failing():
    CALLS.clear()
    fit(new(Failing), X)


def test_an_error_of_one_process_ends_all(group):
    outcomes = group.outcomes(fit_failing)
    expected = [RuntimeError, OSError, RuntimeError][: group.size]
    assert kinds(outcomes) == expected
    assert outcomes[1].text == "the disk is full"
    for outcome in outcomes[::2]:
        assert "Process 1 of the fit failed" in outcome.text
        assert "OSError: the disk is full" in outcome.text
    assert not any(group(is_fitted))


def fit_different(what):
    model, data = new(), X.copy()
    other = rank() == group_size() - 1
    if other and what == "shape":
        data = data[1:]
    if other and what == "rows":
        data[5] += 1
    if other and what == "parameter":
        model.set_params(network__hidden_layer_sizes=(9,))
    if other and what == "class":
        model = new(RAE)
    if what == "device and verbosity":
        model.set_params(device="cpu" if other else torch.device("cpu"))
    if other and what == "X_val":
        return fit(model, data, X_val=X[:9])
    if what == "image":
        data = X if other else X.reshape(-1, 4, 4)
    if what == "names":
        data = pd.DataFrame(X[:, :2], columns=["a", "c" if other else "b"])
    if what == "categories":
        levels = np.array(["u", "w" if other else "v"])
        data = pd.DataFrame({"a": X[:, 0], "b": levels[(X[:, 1] > 0).astype(int)]})
    if what == "model":
        fit(model, data)
        if other:
            model.module_.shift += 1
        return fit(model.set_params(warm_start=True), data)
    return fit(model, data)


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("shape", r"shape of X \(\(122, 16\) instead of \(123, 16\)\), rows of X"),
        ("rows", "in its rows of X"),
        ("parameter", r"'network__hidden_layer_sizes'|parameter 'network'"),
        ("class", r"class \(RAE instead of VAE\)"),
        ("X_val", r"shape of X_val \(\(9, 16\) instead of None\)"),
        ("model", "in its model to go on from"),
        ("image", r"shape of a row \(\(16,\) instead of \(4, 4\)\)"),
        ("names", r"names of columns \(\['a', 'c'\] instead of \['a', 'b'\]\)"),
        ("categories", r"categories of columns \(.*'w'.* instead of .*'v'"),
    ],
)
def test_what_differs_is_named_on_all_processes(group, what, match):
    outcomes = group.outcomes(fit_different, what)
    assert kinds(outcomes) == [ValueError] * group.size
    assert len({outcome.text for outcome in outcomes}) == 1
    assert f"process {group.size - 1} differs from process 0" in outcomes[0].text
    outcomes[0].error = None
    with pytest.raises(ValueError, match=match):
        raise ValueError(outcomes[0].text)


def test_devices_may_differ(group):
    group(fit_different, "device and verbosity")


def fit_stored(folder, what):
    data, other = X.copy(), rank() == group_size() - 1
    if other and what == "ends":
        data[-1, 3] += 99
    if other and what == "gaps":
        data[-1, 3] = np.nan
    path = Path(folder) / f"{what}{rank()}.npy"
    np.save(path, data)
    sources.IN_MEMORY, before = 64, sources.IN_MEMORY
    try:
        rows = np.load(path, mmap_mode="r")
        fit(new(), data if other and what == "place" else rows)
    finally:
        sources.IN_MEMORY = before


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("ends", "in its ends of the columns of X. "),
        ("gaps", "missing values of X"),
        ("place", r"in its place of X (memory instead of a file)"),
    ],
)
def test_other_files_of_one_process_are_refused(group, tmp_path, what, match):
    outcomes = group.outcomes(fit_stored, str(tmp_path), what)
    assert kinds(outcomes) == [ValueError] * group.size
    assert match in outcomes[0].text


def fit_of_nothing():
    fit(new(), np.full_like(X, np.nan) if rank() == 0 else X)


def test_bad_rows_of_one_process_end_all(group):
    outcomes = group.outcomes(fit_of_nothing)
    assert kinds(outcomes) == [ValueError] + [RuntimeError] * (group.size - 1)
    assert "are missing" in outcomes[1].text


class Refusing(GaussianMixture):
    def fit(self, Z, y=None):
        raise LookupError("no clusters")


def test_networks_stay_if_the_latent_density_fails(group):
    outcomes = group.outcomes(fit_with_density, Refusing(2))
    assert kinds(outcomes) == [LookupError] + [RuntimeError] * (group.size - 1)
    assert "LookupError: no clusters" in outcomes[1].text
    found, told = zip(*group(with_another_density), strict=True)
    assert_all_same(found)
    assert "The latent density failed; the model is that of epoch" in told[0][-1]
    assert not any(told[1:])


def fit_of_local_class():
    class Local(nn.Linear):
        pass

    fit(new(network=CustomNetwork(Local, Local)), X)


def test_networks_that_cannot_be_sent_are_refused_at_the_start(group):
    outcomes = group.outcomes(fit_of_local_class)
    assert kinds(outcomes) == [TypeError] + [RuntimeError] * (group.size - 1)
    assert "Define the classes of networks" in outcomes[0].text


def fit_by_other_methods():
    return new().fit(X) if rank() == 0 else new().partial_fit(X)


def test_methods_out_of_step_are_named(group):
    outcomes = group.outcomes(fit_by_other_methods)
    assert kinds(outcomes) == [ValueError] * group.size
    assert "method (partial_fit instead of fit)" in outcomes[0].text


class Uneven(VAE):
    """Trains a parameter more on one process than on the others."""

    def loss(self, module, x, generator, annealing):
        terms = super().loss(module, x, generator, annealing)
        if rank() == 1:
            terms = {name: term.detach() for name, term in terms.items()}
            terms["kl"] = module.encode(x).mean.sum(1)
        return terms


def fit_uneven():
    return new(Uneven, network=MLP((8,), skip=False)).fit(X)


def test_processes_out_of_step_end(group):
    outcomes = group.outcomes(fit_uneven)
    assert kinds(outcomes) == [RuntimeError] * group.size
    assert "out of step" in outcomes[0].text


class FailingAtTheEnd:
    """A callback that fails after all has been exchanged."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "fit":
            raise LookupError("no place for the model")

    def teardown(self, estimator, context):
        pass


def fit_failing_at_the_end():
    fit(new().set_callbacks(FailingAtTheEnd()), X)


def test_an_error_at_the_very_end_leaves_all_as_they_were(group):
    outcomes = group.outcomes(fit_failing_at_the_end)
    assert kinds(outcomes) == [LookupError] + [RuntimeError] * (group.size - 1)
    assert not any(group(is_fitted))


# Losses that are not finite.


class Diverging(VAE):
    """Has no finite loss for one row, which one process sees, in so many epochs."""

    def loss(self, module, x, generator, annealing):
        CALLS.append(1)
        terms = super().loss(module, x, generator, annealing)
        if len(CALLS) <= 8 * EPOCHS[-1]:
            found = (x == torch.from_numpy(X[7])).all(1)
            terms["kl"] = torch.where(found, torch.nan, terms["kl"])
        return terms


EPOCHS = []


def fit_diverging(n_epochs, distributed=True):
    CALLS.clear()
    EPOCHS.append(n_epochs)
    model = new(Diverging, early_stopping=False).set_params(distributed=distributed)
    fit(model, X)
    return last_outputs(), model.history_["learning_rate"]


def test_a_loss_that_is_not_finite_is_recovered_from_on_all(group):
    found = group(fit_diverging, 1)
    assert_all_same([numbers for (numbers, _), _ in found])
    (_, told), rates = found[0]
    assert "the term 'kl' was not finite" in told[0]
    assert not any(told for (_, told), _ in found[1:])
    _, expected = fit_diverging(1, distributed=False)
    np.testing.assert_array_equal(rates, expected)


def test_a_training_that_diverges_is_one_error_on_all(group):
    outcomes = group.outcomes(fit_diverging, 1000)
    assert kinds(outcomes) == [FloatingPointError] * group.size
    assert len({outcome.text for outcome in outcomes}) == 1
