"""An interrupt from the keyboard, at any line of a fit, leaves one whole model."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL_SECOND_STAGE, make_data, small
from sklearn.mixture import GaussianMixture

import skvae
from skvae import RAE, VAE, TwoStageVAE

PACKAGE = str(Path(skvae.__file__).parent)
X = make_data(32, 3)
OTHER = make_data(32, 3, seed=1)


# ------------------------------------------------------------------- at every line


class Tracer:
    """Counts the lines of skvae that are executed; raises an interrupt at one."""

    def __init__(self, at=None):
        self.at, self.lines = at, []

    def __call__(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.lines.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.lines) - 1 == self.at:
                raise KeyboardInterrupt
        return self

    def run(self, function):
        """Call the function; return the texts of its warnings, and how it ended."""
        before = sys.gettrace()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sys.settrace(self)
            try:
                function()
                ended = "returned"
            except KeyboardInterrupt:
                ended = "interrupted"
            finally:
                sys.settrace(before)
        return [str(w.message) for w in caught], ended


def moments_worth_a_try(lines, share):
    """Return the first and the last time of every line, or every so manyth of these."""
    times = {}
    for i, line in enumerate(lines):
        times.setdefault(line, []).append(i)
    return sorted({t for at in times.values() for t in (at[0], at[-1])})[::share]


SECOND = {**SMALL_SECOND_STAGE.get_params(deep=False), "max_epochs": 2}
MODELS = {
    "VAE": lambda: small(max_epochs=3),
    "early stopping": lambda: small(
        max_epochs=4, early_stopping=True, n_iter_no_change=1, kl_warmup=0.0
    ),
    "plateau": lambda: small(lr_schedule="plateau"),
    "RAE": lambda: small(RAE, max_epochs=2),
    "mixture": lambda: small(max_epochs=2, latent_density=GaussianMixture(2)),
    "two stages": lambda: small(TwoStageVAE, max_epochs=2, second_stage=VAE(**SECOND)),
}


def state(model):
    return {k: v for k, v in vars(model).items() if k.endswith("_") or k == "_seed"}


def assert_whole(model, texts):
    """Assert that all attributes of a fitted model are of one and the same epoch."""
    assert {len(v) for v in model.history_.values()} == {model.n_epochs_}
    told = [text for text in texts if "fit was interrupted" in text]
    for text in told[-1:]:
        losses = model.history_.get("validation_loss")
        best = model.n_epochs_ if losses is None else 1 + int(np.nanargmin(losses))
        assert f"of epoch {best}, the " in text
    Z = model.transform(X)
    assert model.inverse_transform(Z).shape == X.shape
    if "not fitted" in "".join(told):
        with pytest.raises(ValueError, match="not fitted yet"):
            model.sample(2)
    else:
        assert np.isfinite(model.sample(2, random_state=0)).all()


def interrupted(kind, refit, share):
    """Yield (old state, model, texts, ended) of fits interrupted at one line each."""
    make = MODELS[kind]

    def fresh():
        model = make()
        return model.fit(OTHER) if refit else model

    model, tracer = fresh(), Tracer()
    tracer.run(lambda: model.fit(X))
    for at in moments_worth_a_try(tracer.lines, share):
        model = fresh()
        before = state(model)
        texts, ended = Tracer(at).run(lambda model=model: model.fit(X))
        yield before, model, texts, ended


def assert_old_or_whole(before, model, texts, ended):
    assert ended == "interrupted"
    after = state(model)
    is_old = after.keys() == before.keys()
    is_old = is_old and all(after[name] is value for name, value in before.items())
    if not is_old:
        assert set(after) >= {"module_", "history_", "n_features_in_", "_seed"}
        assert_whole(model, texts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("refit", [False, True])
def test_the_old_model_or_a_whole_new_one_is_left(kind, refit):
    dtype, n_kept = torch.get_default_dtype(), 0
    for before, model, texts, ended in interrupted(kind, refit, share=10):
        assert_old_or_whole(before, model, texts, ended)
        n_kept += any("fit was interrupted" in text for text in texts)
        assert torch.get_default_dtype() == dtype
        assert not hasattr(model, "_callback_fit_ctx")
    assert n_kept > 10
