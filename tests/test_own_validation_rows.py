"""Early stopping by rows of one's own: `fit(X, X_val=...)`."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from conftest import ESTIMATORS, accepted, describe, make_data, small
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skvae import RAE, VAE, TwoStageVAE
from skvae._training.held_out import robust_mean
from skvae._utils.random import Stream, make_generator
from skvae.networks import MLP

X, X_VAL = make_data(80), make_data(40, seed=1)
STOPPING = {"early_stopping": True, "n_iter_no_change": 100}


def second_stage(**params):
    return VAE(2, network=MLP((8,)), batch_size=16, max_epochs=3, **params)


def stopping(cls=VAE, **params):
    stage = accepted(cls, second_stage=second_stage(early_stopping=True))
    return small(cls, **{**STOPPING, **stage, **params})


# ----------------------------------------------------------------- what they are for


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_the_validation_loss_is_the_mean_loss_of_these_rows(cls):
    model = stopping(cls, max_epochs=4, batch_size=len(X_VAL)).fit(X, X_val=X_VAL)
    generator = make_generator(model._seed, Stream.VALIDATE)
    model.module_.likelihood.noise = None  # as in training
    with torch.no_grad():  # the weights are those of the best epoch
        terms = model.loss(model.module_, torch.from_numpy(X_VAL), generator, 1.0)
    losses = sum(t.double().expand(len(X_VAL)) for t in terms.values())
    best = np.nanmin(model.history_["validation_loss"])
    assert best == pytest.approx(robust_mean(losses), rel=1e-6)
    assert len(model.history_["validation_loss"]) == model.n_epochs_


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_all_rows_of_X_are_trained_on_and_no_others(cls):
    alone = stopping(cls, early_stopping=False).fit(X)
    watched = stopping(cls).fit(X, X_val=X_VAL)
    np.testing.assert_array_equal(watched.history_["loss"], alone.history_["loss"])
    module = watched.module_
    np.testing.assert_array_equal(module.shift, alone.module_.shift)


def test_the_epoch_is_the_best_one_of_these_rows():
    # 20 rows of noise: what is learned of them is of no use for others.
    rng = np.random.default_rng(0)
    few, others = rng.normal(size=(20, 5)), rng.normal(size=(200, 5))
    params = {"early_stopping": True, "n_iter_no_change": 5, "max_epochs": 100}
    params |= {"n_components": 4, "learning_rate": 0.02, "network": MLP((32,))}
    by_others = small(RAE, **params).fit(few, X_val=others)
    by_themselves = small(RAE, **params).fit(few, X_val=few)
    assert by_others.n_epochs_ < by_themselves.n_epochs_
    losses = by_others.history_["validation_loss"]
    assert by_others.n_epochs_ == 1 + np.argmin(losses) + 5
    assert by_others.score(others) > by_themselves.score(others)


def test_both_stages_have_them():
    model = stopping(TwoStageVAE).fit(X, X_val=X_VAL)
    own = stopping(TwoStageVAE).fit(X)
    for stages in ((model, own), (model.second_stage_, own.second_stage_)):
        mine, split = (stage.history_["validation_loss"] for stage in stages)
        assert np.isfinite(mine).all()
        assert not np.isin(mine, split).any()


@pytest.mark.parametrize("first", [False, True])
def test_one_of_two_stages_may_go_without(first):
    stage = second_stage(early_stopping=not first)
    model = stopping(TwoStageVAE, early_stopping=first, second_stage=stage)
    model.fit(X, X_val=X_VAL)
    assert ("validation_loss" in model.history_) == first
    assert ("validation_loss" in model.second_stage_.history_) != first


def test_the_second_stage_validates_on_codes_of_these_rows():
    # Held-out rows that are like none of X have codes like none of X, too.
    near, far = (stopping(TwoStageVAE).fit(X, X_val=V) for V in (X, X + 9))
    losses = [m.second_stage_.history_["validation_loss"][-1] for m in (near, far)]
    assert losses[1] > losses[0] + 1


def test_partial_fit_validates_on_the_same_rows_in_every_call():
    model = stopping()
    for chunk in np.array_split(X, 4):
        model.partial_fit(chunk, X_val=X_VAL)
    assert model.history_["validation_loss"].shape == (4,)
    again = stopping().fit(X[:20], X_val=X_VAL)
    first = again.history_["validation_loss"][0]
    assert model.history_["validation_loss"][0] == pytest.approx(first, rel=1e-6)


def test_a_chunk_of_one_row_can_be_validated_on_rows_of_ones_own():
    model = stopping().partial_fit(X[:1], X_val=X_VAL)
    assert np.isfinite(model.history_["validation_loss"]).all()
    with pytest.raises(ValueError, match=r"leave 0 to train on.*as X_val"):
        stopping().partial_fit(X[:1])


def test_images_in_a_file(tmp_path):
    images = (255 * make_data(30, 36)).astype(np.uint8).reshape(-1, 6, 6)
    np.save(tmp_path / "X.npy", images)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = stopping().fit(images, X_val=mapped[20:])
    for rows in (images[20:], images[20:].reshape(10, 36), torch.tensor(images[20:])):
        other = stopping().fit(images, X_val=rows)
        for name, values in other.history_.items():
            np.testing.assert_array_equal(values, model.history_[name])


# ------------------------------------------------------------------- what is refused


def _frame(columns):
    return pd.DataFrame(X_VAL, columns=columns)


WRONG = {
    "width": (X, X_VAL[:, :3], ValueError, "In X_val: X has 3 features.*expecting 5"),
    "a row": (X, X_VAL[0], ValueError, "In X_val: Expected 2D array"),
    "no rows": (X, X_VAL[:0], ValueError, "In X_val: Found array with 0 sample"),
    "infinity": (
        X,
        X_VAL * np.inf,
        ValueError,
        "In X_val: X must not contain infinity",
    ),
    "no array": (X, {"a": X_VAL}, TypeError, r"X_val must be an array.*X_val\['a'\]"),
    "beyond float32": (
        *(X, X_VAL.astype(float) * 1e300),
        *(ValueError, "In X_val: X must stay within"),
    ),
    "names": (
        *(pd.DataFrame(X, columns=list("abcde")), _frame(list("abcdf"))),
        *(ValueError, "In X_val: .*feature names should match"),
    ),
    "images": (
        *(X[:, :4].reshape(-1, 2, 2), X_VAL[:, :4].reshape(-1, 1, 4)),
        *(ValueError, r"In X_val: .*shape \(2, 2\) of the rows of X.*shape \(1, 4\)"),
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_unlike_X_are_refused_before_training(case, method, no_training):
    rows, held_out, error, text = case
    model = stopping()
    with pytest.raises(error, match=f"(?s){text}"):
        getattr(model, method)(rows, X_val=held_out)
    assert not hasattr(model, "module_")


def test_rows_that_the_likelihood_does_not_take_are_refused(no_training):
    model = stopping(likelihood="bernoulli")
    with pytest.raises(ValueError, match=r"In X_val: .*\[0, 1\]"):
        model.fit(X, X_val=X_VAL + 7)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_rows_without_a_use_are_refused(cls, no_training):
    stage = accepted(cls, second_stage=second_stage())
    stage = {
        name: part.set_params(early_stopping=False) for name, part in stage.items()
    }
    model = stopping(cls, **{"early_stopping": False, **stage})
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"early_stopping is False\. Set"):
            method(X, X_val=X_VAL)


# ------------------------------------------------------------------ in scikit-learn


def test_a_pipeline_takes_them_through_its_steps():
    with sklearn.config_context(enable_metadata_routing=True):
        vae = stopping().set_fit_request(X_val=True)
        steps = [("scale", StandardScaler()), ("vae", vae)]
        pipeline = Pipeline(steps, transform_input=["X_val"]).fit(X, X_val=X_VAL)
    scaler = StandardScaler().fit(X)
    alone = stopping().fit(scaler.transform(X), X_val=scaler.transform(X_VAL))
    np.testing.assert_array_equal(
        pipeline[-1].history_["validation_loss"], alone.history_["validation_loss"]
    )


def test_fit_transform_takes_them():
    codes = stopping().fit_transform(X, X_val=X_VAL)
    np.testing.assert_array_equal(codes, stopping().fit(X, X_val=X_VAL).transform(X))


def test_a_file_with_infinite_values_is_refused_before_training(tmp_path, no_training):
    np.save(tmp_path / "X.npy", np.vstack([X_VAL, X_VAL * np.inf]))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="In X_val: X must not contain infinity"):
        stopping().fit(X, X_val=mapped)


def test_without_them_held_out_rows_are_not_trained_on():
    seen = set()

    class Watching(VAE):
        def loss(self, module, x, generator, annealing):
            if module.training:
                seen.update(map(tuple, x.tolist()))
            return super().loss(module, x, generator, annealing)

    small(Watching, early_stopping=True, validation_fraction=0.25).fit(X)
    assert len(seen) == 60
