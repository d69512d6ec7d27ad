"""A fit looks at all stored rows once before its first epoch, and finds what is wrong.

An array in memory is the oracle of what it sees.
"""

import signal

import numpy as np
import pytest
from conftest import (
    ESTIMATORS,
    VARIANTS,
    assert_same,
    describe,
    has_score,
    make_data,
    outputs,
    small,
)
from stored_rows import ARRAYS, Recorded

from skvae._training import progress, stream
from skvae._training.held_out import (
    rows_to_train,
    split_rows,
    stored_rows_held_out,
)
from skvae._training.stream import RowSample
from skvae._utils.rows import extremes, has_missing, summarise
from skvae._utils.sources import StoredRows, is_stored
from skvae.likelihoods import (
    CategoricalLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    NormalScoresLikelihood,
)

X = make_data(2000)
MODELS = [(cls, kw) for cls in ESTIMATORS for kw in VARIANTS.get(cls.__name__, [{}])]
pytestmark = pytest.mark.usefixtures("small_blocks")


class Passes:
    """A callback that notes how many rows have been read when epochs begin."""

    def __init__(self, rows):
        self.rows, self.n_read = rows, []

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_end = setup

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            self.n_read.append(self.rows.n_read / len(self.rows))


def passes_of_fit(model, rows, **options):
    """Return how often rows had been read when each epoch began, and at the end."""
    rows = Recorded(rows)
    passes = Passes(rows)
    model.set_callbacks(passes).fit(rows, **options)
    return [*passes.n_read, rows.n_read / len(rows)]


@pytest.mark.parametrize(("cls", "options"), MODELS, ids=describe)
@pytest.mark.parametrize("early_stopping", [True, False])
def test_rows_are_read_once_before_training_and_once_in_each_epoch(
    cls, options, early_stopping
):
    model = small(cls, max_epochs=2, early_stopping=early_stopping, **options)
    n_read = passes_of_fit(model, X)
    assert n_read[:2] == [1, 2]
    last = 3 if hasattr(model, "second_stage") else 2
    assert n_read[-1] <= last + 1.2  # two stages encode all rows between them


@pytest.mark.parametrize(
    "likelihood",
    [
        *("gaussian", "bernoulli", "continuous_bernoulli", "laplace"),
        GaussianLikelihood(bounds=(0, 1)),
        DiscretizedLogisticLikelihood(),
        NormalScoresLikelihood(),
    ],
    ids=describe,
)
def test_likelihoods_look_at_no_row_twice(likelihood):
    model = small(likelihood=likelihood, max_epochs=1)
    assert passes_of_fit(model, X)[0] == 1


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
def test_counts_are_looked_at_once(likelihood):
    counts = (20 * X).astype(np.int64)
    assert passes_of_fit(small(likelihood=likelihood, max_epochs=1), counts)[0] == 1


def test_categories_are_counted_in_a_look_of_their_own():
    levels = np.rint(3 * X)
    model = small(likelihood=CategoricalLikelihood(), max_epochs=1)
    assert passes_of_fit(model, levels)[0] == 2
    exact = small(likelihood=CategoricalLikelihood(), max_epochs=1).fit(levels)
    for one, other in zip(
        model.likelihood_.levels_, exact.likelihood_.levels_, strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "float16"])
@pytest.mark.parametrize("n_gaps", [0, 50])
@pytest.mark.parametrize("offset", [0, 1000])
def test_statistics_are_those_of_the_array(dtype, n_gaps, offset):
    rows = (255 * X + offset).astype(dtype)
    if n_gaps and rows.dtype.kind == "f":
        rows[np.random.default_rng(0).integers(0, 2000, n_gaps), 2] = np.nan
    stored = Recorded(rows)
    one, other = summarise(stored), summarise(rows)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
    np.testing.assert_allclose(one.std, other.std, rtol=1e-9)
    assert (one.bounds, one.dtype) == (other.bounds, other.dtype)
    np.testing.assert_array_equal(extremes(stored), extremes(rows))
    assert has_missing(stored) == has_missing(rows)


def refuse_array(self, dtype=None, copy=None):
    raise AssertionError("all rows were read into memory")


@pytest.mark.parametrize(("cls", "options"), MODELS, ids=describe)
def test_no_method_reads_all_rows_into_memory(cls, options, monkeypatch):
    model, stored = small(cls, **options), Recorded(X)
    with monkeypatch.context() as patch:
        patch.setattr(StoredRows, "__array__", refuse_array)
        model.fit(stored).partial_fit(stored)
        model.transform(stored)
        model.reconstruct(stored)
        if has_score(model):
            model.score_samples(stored)
    assert stored.most_held < len(X) / 2


def test_methods_read_every_block_once():
    model = small().fit(X)
    for method in ("transform", "reconstruct", "score_samples"):
        stored = Recorded(X)
        getattr(model, method)(stored)
        assert stored.n_read == len(X)


def wrong(value, row=1900, rows=X, **options):
    rows = rows.copy()
    rows[row, 3] = value
    return rows, options


WRONG = {
    "infinity": (*wrong(np.inf), "must not contain infinity.*in feature 3"),
    "a bound": (
        *wrong(1.5, likelihood=GaussianLikelihood(bounds=(0, 1))),
        r"needs X in these bounds, but feature 3 has the value 1\.5",
    ),
    "an interval": (*wrong(2, likelihood="bernoulli"), r"in \[0, 1\], but feature 3"),
    "half a count": (
        *wrong(0.5, rows=np.rint(9 * X), likelihood="poisson"),
        "needs counts.*feature 3 has the value 0.5",
    ),
    "no level": (
        *wrong(0.334, likelihood=DiscretizedLogisticLikelihood()),
        "even levels.*feature 3",
    ),
    "squares": (*wrong(1e200, rows=X.astype(float)), "X must stay below.*feature 3"),
    "nothing": (np.full_like(X, np.nan), {}, "must have values, but all 10000"),
}


@pytest.mark.parametrize(("rows", "options", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found_before_training(rows, options, message, no_training):
    model = small(**options)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(Recorded(rows))
    assert vars(model) == before


@pytest.mark.parametrize("row", [5, 1990])
def test_outliers_are_drawn_in_as_those_of_an_array(row):
    rows, _ = wrong(-9999, row=row)
    with pytest.warns(UserWarning, match=f"value -9999 in row {row}, ") as found:
        model = small(max_epochs=1).fit(stored := Recorded(rows))
    with pytest.warns(UserWarning, match=f"value -9999 in row {row}, ") as expected:
        exact = small(max_epochs=1).fit(rows)
    assert str(found[0].message) == str(expected[0].message)
    assert model.reconstruct(X).mean() == pytest.approx(
        exact.reconstruct(X).mean(), rel=0.1
    )
    assert (model.module_.shift / model.module_.factor).abs().max() < 2
    assert stored.n_read <= 4.2 * len(X)


@pytest.mark.parametrize("fails_at", [3, 30, 100, 150])
def test_an_error_of_a_read_leaves_the_estimator_as_it_was(fails_at):
    model = small(max_epochs=3).fit(X[:50])
    before = outputs(model, X[:50])
    n_blocks = len(Recorded(X).edges) - 1
    assert n_blocks < 100
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(Recorded(X, fails_at=fails_at))
    assert_same(outputs(model, X[:50]), before)
    with pytest.raises(OSError, match="the disk is gone"):
        model.transform(Recorded(X, fails_at=3))


class Pressed(Recorded):
    """Ctrl-C is pressed while a block is read."""

    def _read(self, start, stop):
        if len(self.reads) == 180:
            signal.raise_signal(signal.SIGINT)
        return super()._read(start, stop)


def test_ctrl_c_keeps_the_last_complete_epoch():
    stored = Pressed(X)
    model = small(max_epochs=50)
    with (
        pytest.warns(RuntimeWarning, match="fit was interrupted; the model is that of"),
        pytest.raises(KeyboardInterrupt),
    ):
        model.fit(stored)
    assert 0 < model.n_epochs_ < 50
    assert model.transform(X).shape == (2000, 2)


def test_progress_is_printed(capsys, monkeypatch):
    small(verbose=1, max_epochs=1).fit(Recorded(X))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[VAE] look at X: 2,000 of 2,000 rows  (")
    assert [line.split()[1] for line in lines] == ["look", "epoch"]
    monkeypatch.setattr(progress, "_SECONDS", 0)
    small(verbose=2, max_epochs=1).fit(Recorded(X))
    lines = capsys.readouterr().out.splitlines()
    assert sum("look at X" in line for line in lines) > 10
    assert sum(line.startswith("[VAE] epoch: ") for line in lines) > 2
    small(max_epochs=1).fit(Recorded(X))
    assert capsys.readouterr().out == ""


def test_rows_held_out_are_a_random_share_that_is_kept(monkeypatch):
    seen = []

    def noted(fit, rows):
        held_out = stored_rows_held_out(fit, rows)
        seen.append(held_out)
        return held_out

    monkeypatch.setattr("skvae._training.held_out.stored_rows_held_out", noted)
    stored = Recorded(X)
    model = small(max_epochs=4, early_stopping=True).fit(stored)
    held_out = seen[0]
    assert all(np.array_equal(held_out, other) for other in seen)
    assert len(np.unique(held_out)) == len(held_out) == 200
    assert held_out.mean() == pytest.approx(1000, abs=4 * 577 / np.sqrt(200))
    assert np.isfinite(model.history_["validation_loss"]).all()
    assert stored.n_read <= (1 + model.n_epochs_ + 0.2) * len(X)


def test_rows_held_out_are_bounded(monkeypatch):
    monkeypatch.setattr("skvae._training.held_out._MOST_VALUES", 35)
    stored = Recorded(X)
    fit = small(early_stopping=True)._prepare(stored, None, None, None, False)
    assert len(stored_rows_held_out(fit, stored)) == 7
    with pytest.raises(ValueError, match="leave 0 to train on"):
        split_rows(small(validation_fraction=0.99999), 5, 0)


def test_large_chunks_are_warned_of(tmp_path):
    large = ARRAYS["dask"](X, tmp_path).rechunk((500, 5))
    with pytest.warns(UserWarning, match=r"chunks.*about 500 rows.*20 times.*25 rows"):
        small(max_epochs=1).fit(large)


def test_places_in_a_sample_are_drawn_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(stream, "MOST_ROWS", 50)
    whole = RowSample().extended(X, 3)
    monkeypatch.setattr(stream, "_DRAWN", 7)
    for rows in (X, Recorded(X)):
        np.testing.assert_array_equal(RowSample().extended(rows, 3).rows, whole.rows)
    assert len(np.unique(RowSample().origins(*X.shape, 3))) == 50


def test_chunks_of_a_stream_may_be_stored():
    stored = Recorded(X[:1000])
    model = small().partial_fit(stored)
    model.partial_fit(second := Recorded(X[1000:]))
    assert model._sample.n_seen == 2000
    assert second.n_read == 2 * 1000  # one look, one epoch
    with pytest.warns(UserWarning, match="spreads from the mean"):
        model.partial_fit(Recorded(X + 100))


def test_large_tables_are_refused():
    with pytest.raises(TypeError, match=r"Tables.*must be in memory"):
        small(categorical_features=[1]).fit(Recorded(X))
    assert is_stored(Recorded(X))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_networks_start_at_components_of_rows_that_are_not_held_out(early_stopping):
    rows = X.copy()
    rows[:, 4] = np.arange(len(X)) / len(X)
    fit = small(early_stopping=early_stopping)._prepare(
        stored := Recorded(rows), None, None, None, False
    )
    seen = np.rint(rows_to_train(fit, stored, 500)[:, 4] * len(X)).astype(int)
    assert 300 < len(seen) <= 500
    assert seen.mean() == pytest.approx(1000, abs=100)
    assert not set(seen) & set(stored_rows_held_out(fit, stored))
