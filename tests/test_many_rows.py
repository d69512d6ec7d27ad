"""Of very many rows some are taken, from all over X and not from its beginning."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import nn

from skvae._training import latents
from skvae._training.schedules import make_schedulers


class Recorded:
    """Stands for a module; the rows that it encodes are its codes."""

    n_components = 1
    device = torch.device("cpu")

    class posterior:
        deterministic = True

    def draw_codes(self, X, generator, n_draws):
        self.seen = X
        return X[None]

    def blockwise(self, moments, X, draws):
        self.seen = X
        return np.stack([0 * X, X], 1)


def sorted_rows(n):
    """Rows whose second half differs from the first, as in a file sorted by class."""
    return np.repeat([0.0, 1.0], n // 2)[:, None].astype(np.float32)


def test_codes_of_a_density_are_of_rows_from_all_over(monkeypatch):
    monkeypatch.setattr(latents, "_MAX_ENCODED", 100)
    module = Recorded()
    estimator = SimpleNamespace(
        make_latent_density=lambda n_rows: GaussianMixture(2),
        make_posterior=lambda: module.posterior,
    )
    latents.fit_latent_density(estimator, module, sorted_rows(1000), seed=0)
    assert 50 <= len(module.seen) <= 100
    assert module.seen.mean() == pytest.approx(0.5, abs=0.02)


def test_components_are_diagnosed_on_rows_from_all_over(monkeypatch):
    """A component that tells the halves apart seems inactive on one of them."""
    monkeypatch.setattr(latents, "_MAX_DIAGNOSED", 100)
    module = Recorded()
    found = latents.diagnosis(module, sorted_rows(1000), seed=0)
    assert 50 <= len(module.seen) <= 100
    assert found["active_components_"].tolist() == [0]


def test_a_plateau_is_told_by_absolute_losses():
    """Losses in nats may be negative, and falls of a relative threshold no falls."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    (scheduler,) = make_schedulers("plateau", optimizer, n_epochs=1)
    for epoch in range(40):  # it falls by 0.01 in each epoch, of a thousand nats
        scheduler.step(1000.0 - 0.01 * epoch)
    assert optimizer.param_groups[0]["lr"] == 1.0
    for _ in range(7):
        scheduler.step(999.6)
    assert optimizer.param_groups[0]["lr"] == 0.5
