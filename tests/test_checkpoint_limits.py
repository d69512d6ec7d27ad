"""A checkpoint of a fit with another limit in epochs: taken if nothing else differs."""

import numpy as np
import pytest
import torch
from conftest import make_data, small
from sklearn.base import clone
from test_checkpoint_refusals import assert_refused
from test_checkpoints import assert_same_fit, fit_again, fit_killed, halving

from skvae import VAE, TwoStageVAE

X = make_data(120, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize(
    ("options", "is_taken"),
    [
        ({"kl_warmup": 0.0}, True),
        ({"kl_warmup": 0.0, "lr_schedule": "plateau"}, True),
        ({"kl_warmup": 0.0, "lr_schedule": halving}, True),
        ({"kl_warmup": 0.0, "lr_schedule": "cosine"}, False),
        ({"kl_warmup": 0.5}, False),
        ({"kl_warmup": 0.5, "early_stopping": True, "max_epochs": 100}, True),
        ({"kl_warmup": 0.5, "early_stopping": True, "max_epochs": 60}, False),
    ],
)
def test_a_larger_limit_goes_on_if_the_result_is_that_of_a_whole_fit(
    options, is_taken, path
):
    options = {"max_epochs": 6, "n_iter_no_change": 3, "learning_rate": 0.05} | options
    model = small(**options)
    assert fit_killed(model, path, 5)
    larger = clone(model).set_params(max_epochs=2 * options["max_epochs"])
    if is_taken:
        assert_same_fit(fit_again(larger, path), clone(larger).fit(X))
    else:
        assert_refused(larger, path, "another max_epochs")


class Cyclical(VAE):
    """A weight that rises and falls several times, and is 1 at the ends of cycles."""

    def annealing(self, progress):
        return round(0.6 + 0.4 * np.cos(12 * np.pi * progress), 6)


def test_a_weight_that_differs_only_inside_of_epochs_is_another_one(path):
    model = small(Cyclical, max_epochs=6)
    assert fit_killed(model, path, 3)
    assert_refused(clone(model).set_params(max_epochs=12), path, "weight of the KL")
    assert_same_fit(fit_again(model, path), clone(model).fit(X))


def test_a_smaller_limit_must_not_be_passed(path):
    model = small(kl_warmup=0.0, max_epochs=9)
    assert fit_killed(model, path, 5)
    content = path.read_bytes()
    assert_refused(clone(model).set_params(max_epochs=4), path, "5 epochs.* after 4")
    for n_epochs in (5, 6):
        shorter = clone(model).set_params(max_epochs=n_epochs)
        path.write_bytes(content)
        assert_same_fit(fit_again(shorter, path), clone(shorter).fit(X))


def test_rates_that_depend_on_more_than_the_schedule_are_refused(path):
    rates = iter(np.linspace(1, 2, 100))

    def unlike(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: next(rates))

    assert fit_killed(small(lr_schedule=unlike), path, 2)
    assert_refused(small(lr_schedule=unlike), path, "other learning rates")


def test_two_stages_with_a_shorter_limit_for_both(path):
    model = small(TwoStageVAE, max_epochs=4, kl_warmup=0.0)
    model.set_params(second_stage__kl_warmup=0.0)
    assert fit_killed(model, path, 6)
    assert_refused(clone(model).set_params(max_epochs=3), path, "another max_epochs")
