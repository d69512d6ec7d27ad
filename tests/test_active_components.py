"""Components that the model uses, and the warning when it uses few."""

import warnings

import numpy as np
import pytest
import torch
from conftest import make_data, small

from skvae.networks import MLP


def test_collapse_warns_and_names_the_active_components():
    X = make_data(200, 6)
    options = {"beta": 1e4, "kl_warmup": 0.0, "learning_rate": 1e-2}
    options["network"] = MLP((32,), skip=False)
    with pytest.warns(UserWarning, match=r"of 6 .* only 0 are active.*\[\].*beta"):
        model = small(n_components=6, max_epochs=60, **options).fit(X)
    assert list(model.active_components_) == []


def test_used_components_do_not_warn():
    X = make_data(300, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small(max_epochs=60, learning_rate=2e-2, batch_size=50).fit(X)
    assert list(model.active_components_) == [0, 1]
    assert (model.kl_per_component_ > 0.5).all()


def test_diagnosis_agrees_with_the_codes():
    X = make_data(300, 6)
    model = small(n_components=4, max_epochs=20, learning_rate=1e-2).fit(X)
    active = np.flatnonzero(model.transform(X).var(0) > 0.01)
    np.testing.assert_array_equal(model.active_components_, active)
    q = model.module_.encode(torch.tensor(X))
    mean, variance = q.mean.detach().double(), q.variance.detach().double()
    kl = 0.5 * (mean**2 + variance - 1 - variance.log()).mean(0)
    np.testing.assert_allclose(model.kl_per_component_, kl, rtol=1e-5)
