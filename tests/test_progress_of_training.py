"""How far training is: the weight of the divergence, by batch and in validation."""

import numpy as np
import pytest
from conftest import small

import skvae
from skvae._training.schedules import Annealing


@pytest.fixture
def progress(monkeypatch):
    """The progress that training has told `annealing`, in its order."""
    told, update = [], Annealing.update

    def watched(self, epoch):
        told.append(epoch / self.n_epochs)
        update(self, epoch)

    monkeypatch.setattr(Annealing, "update", watched)
    return told


def test_progress_is_by_batch(X, progress):
    small(batch_size=20, max_epochs=3).fit(X)
    n_batches = 4
    expected = np.arange(3 * n_batches) / (3 * n_batches)
    np.testing.assert_allclose(progress, expected)


def test_progress_goes_on_with_more_fits(X, progress):
    vae = small(batch_size=40, max_epochs=4)
    for _ in range(3):
        vae.partial_fit(X)
    np.testing.assert_allclose(progress, np.arange(6) / 8)


def test_held_out_rows_are_judged_by_the_whole_loss_and_equal_noise(X):
    """Else epochs of a warm-up, and lucky ones, would win against later ones."""
    validated = []

    class Watched(skvae.VAE):
        def loss(self, module, x, generator, annealing):
            if not module.training:
                state = generator.get_state().numpy().tobytes()
                validated.append((float(annealing), state))
            return super().loss(module, x, generator, annealing)

    options = {"early_stopping": True, "kl_warmup": 1.0, "max_epochs": 3}
    small(Watched, **options).fit(X)
    weights, states = zip(*validated, strict=True)
    assert set(weights) == {1.0}
    assert len(weights) == 3
    assert len(set(states)) == 1


@pytest.mark.parametrize(("n", "fraction", "expected"), [(78, 0.1, 8), (72, 0.1, 7)])
def test_the_held_out_share_is_rounded(X, n, fraction, expected):
    seen = []

    class Counting(skvae.VAE):
        def loss(self, module, x, generator, annealing):
            if not module.training:
                seen.append(len(x))
            return super().loss(module, x, generator, annealing)

    small(
        Counting, early_stopping=True, validation_fraction=fraction, max_epochs=1
    ).fit(X[:n])
    assert sum(seen) == expected


def test_training_goes_on_with_the_rate_that_was_set_last(X):
    vae = small(learning_rate=1e-2).partial_fit(X)
    before = vae.transform(X)
    vae.set_params(learning_rate=1e-12).partial_fit(X)
    np.testing.assert_allclose(vae.transform(X), before, atol=1e-5)
    vae.set_params(learning_rate=1e-2).partial_fit(X)
    assert np.abs(vae.transform(X) - before).max() > 1e-3
