"""An interrupt at any line of any fit, once or twice, loses no complete epoch."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.callback
from conftest import make_data, small
from sklearn.mixture import GaussianMixture
from test_interrupts_at_every_line import (
    PACKAGE,
    SECOND,
    Tracer,
    assert_whole,
    moments_worth_a_try,
    state,
)

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._training.checkpoint import Checkpoint as Saved
from skvae.callbacks import Checkpoint
from skvae.densities import ClassConditionalDensity

X, OTHER = make_data(32, 3), make_data(32, 3, seed=1)
Y = np.arange(32) % 2
CALLBACKS = str(Path(sklearn.callback.__file__).parent)
STOPS = {"early_stopping": True, "n_iter_no_change": 1}
STAGE = VAE(**SECOND | STOPS)
MODELS = {
    "IWAE": lambda: small(IWAE, max_epochs=2),
    "gan": lambda: small(WAE, max_epochs=2, divergence="gan"),
    "spectral": lambda: small(RAE, max_epochs=2, regularizer="spectral_norm", **STOPS),
    "classes": lambda: small(max_epochs=2, latent_density=ClassConditionalDensity()),
    "density": lambda: small(max_epochs=2, latent_density=small(max_epochs=1)),
    "two stages": lambda: small(TwoStageVAE, second_stage=STAGE, max_epochs=2, **STOPS),
    "warm start": lambda: small(max_epochs=2, warm_start=True),
}
CALLS = {
    "fit": lambda model: model.fit(X, Y),
    "partial_fit": lambda model: model.partial_fit(X, Y),
    "fit_latent_density": lambda model: model.fit_latent_density(X, Y),
}


class Twice(Tracer):
    """Raises an interrupt at one line, and another one so many lines later."""

    def __init__(self, at, after):
        super().__init__(at)
        self.second = None if after is None else at + after

    def __call__(self, frame, event, arg):
        name = frame.f_code.co_filename
        if name.startswith(CALLBACKS) and event == "line":
            self.lines.append((name, frame.f_lineno))
            self.press()
        elif super().__call__(frame, event, arg) is not None and event == "line":
            self.press(self.second)
        return self if name.startswith((PACKAGE, CALLBACKS)) else None

    def press(self, *moments):
        if len(self.lines) - 1 in (moments or (self.at, self.second)):
            raise KeyboardInterrupt


def interrupted_at(make, call, n_moments, monkeypatch):
    """Yield (model, what it was, epochs completed, texts, whether twice)."""
    commit, n_done, rng = Saved.commit, [], random.Random(0)

    def counted(self, record):
        commit(self, record)
        n_done.append(1)

    monkeypatch.setattr(Saved, "commit", counted)
    model, tracer = make(), Twice(-1, None)
    tracer.run(lambda: call(model))
    moments = moments_worth_a_try(tracer.lines, 1)
    for at in rng.sample(moments, n_moments):
        for after in (None, rng.randint(1, 60)):
            model = make()
            before = state(model)
            n_done.clear()
            texts, ended = Twice(at, after).run(lambda model=model: call(model))
            assert ended == "interrupted"
            yield model, before, len(n_done), texts, after is not None


def assert_nothing_is_lost(model, before, n_done, texts, twice):
    after = state(model)
    is_old = after.keys() == before.keys()
    is_old = is_old and all(after[name] is value for name, value in before.items())
    assert "_callback_fit_ctx" not in vars(model)
    if is_old:
        assert twice or n_done == 0
    else:
        assert_whole(model, texts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", CALLS)
def test_no_complete_epoch_is_lost(kind, name, monkeypatch):
    if kind == "two stages" and name == "fit_latent_density":
        pytest.skip("its density is its second stage")

    def make():
        model = MODELS[kind]()
        if name != "fit" or kind == "warm start":
            model.fit(X, Y)
        return model

    moments = 3 if name == "fit_latent_density" else 20
    for found in interrupted_at(make, CALLS[name], moments, monkeypatch):
        if name == "fit_latent_density":
            model, before, *_ = found
            assert all(state(model)[k] is v for k, v in before.items())
            assert np.isfinite(model.sample(2, random_state=0)).all()
        else:
            assert_nothing_is_lost(*found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["VAE", "two stages"])
def test_a_checkpoint_is_whole_after_any_interrupt(kind, tmp_path, monkeypatch):
    path, expected = tmp_path / "run.ckpt", None

    def make():
        path.unlink(missing_ok=True)
        model = MODELS[kind]() if kind in MODELS else small()
        return model.set_callbacks(Checkpoint(path))

    expected = make().fit(X).transform(X)
    for found in interrupted_at(make, CALLS["fit"], 25, monkeypatch):
        assert_nothing_is_lost(*found)
        assert list(tmp_path.glob("*.tmp")) == []
        model = found[0].fit(X)
        np.testing.assert_array_equal(model.transform(X), expected)
        assert not path.exists()


@pytest.mark.slow
def test_a_density_that_is_interrupted_is_that_of_before():
    model = small(latent_density=GaussianMixture(2)).fit(X)
    density = model.latent_density_
    before = sys.gettrace()
    _, ended = Tracer(40).run(lambda: model.fit_latent_density(OTHER))
    assert ended == "interrupted"
    assert sys.gettrace() is before
    assert model.latent_density_ is density
