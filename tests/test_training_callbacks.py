"""Progress of a fit: lines of text and scikit-learn's callbacks."""

import io
import math
from contextlib import redirect_stdout

import numpy as np
import pytest
from conftest import ESTIMATORS, assert_same, outputs, small
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae._training.loop import Step


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_verbose_prints_one_line_an_epoch(cls, X):
    text = io.StringIO()
    with redirect_stdout(text):
        model = small(cls, max_epochs=4, verbose=1).fit(X)
    lines = text.getvalue().splitlines()
    assert len(lines) == 4
    for i, line in enumerate(lines):
        assert line.startswith(f"[{cls.__name__}]")
        assert f"epoch {i + 1}/4" in line
        assert f"loss {model.history_['loss'][i]:.4g}" in line


def test_quiet_fit_prints_nothing(X, capfd):
    small().fit(X)
    assert capfd.readouterr() == ("", "")


class Recorder:
    """Counts epochs; asks to stop after some."""

    def __init__(self, stop_after=math.inf):
        self.stop_after, self.scores, self.events = stop_after, [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.events.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X))
        return len(self.scores) >= self.stop_after


def test_callback_sees_every_epoch_and_a_usable_model(X):
    callback = Recorder()
    model = small(max_epochs=3).set_callbacks(callback).fit(X)
    epochs = 3 * ["begin epoch", "end epoch"]
    expected = ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert callback.events == expected
    assert callback.scores[-1] == model.score(X)
    assert len(set(callback.scores)) == 3


def test_callback_that_returns_true_stops(X):
    options = {"max_epochs": 30, "kl_warmup": 0.0}
    model = small(**options).set_callbacks(Recorder(stop_after=2)).fit(X)
    assert model.n_epochs_ == 2
    two = small(**{**options, "max_epochs": 2}).fit(X)
    assert_same(outputs(model, X), outputs(two, X))


def test_callbacks_do_not_change_the_model(X):
    model = small().set_callbacks(Recorder()).fit(X)
    assert_same(outputs(model, X), outputs(small().fit(X), X))


def test_repeated_epoch_is_one_epoch_to_callbacks(X, monkeypatch):
    callback, n_calls = Recorder(), []

    def spoil_once(self, x):
        n_calls.append(1)
        return call(self, x) * (math.nan if len(n_calls) == 7 else 1)

    call = Step.__call__
    monkeypatch.setattr(Step, "__call__", spoil_once)
    with pytest.warns(RuntimeWarning, match="epoch 2, .* undone"):
        small(max_epochs=3).set_callbacks(callback).fit(X)
    assert callback.events.count("begin epoch") == 3
    assert callback.events.count("end epoch") == 3


def test_callbacks_are_torn_down_when_the_fit_fails(X):
    callback = Recorder()
    with pytest.raises(ValueError, match="gpu9"):
        small(device="gpu9").set_callbacks(callback).fit(X)
    assert callback.events.count("setup") == callback.events.count("teardown")


def test_partial_fit_runs_callbacks_too(X):
    callback = Recorder()
    small().set_callbacks(callback).partial_fit(X)
    assert len(callback.scores) == 1


def default_score(estimator, X, y=None):
    return estimator.score(X)


def n_scores(monitor):
    return len([row for row in monitor.get_logs().data if "score" in row])


def test_scoring_monitor_follows_the_score(X):
    monitor = ScoringMonitor(scoring={"score": default_score})
    model = small(max_epochs=3).set_callbacks(monitor).fit(X, np.zeros(len(X)))
    data = monitor.get_logs().data
    scores = [row["score"] for row in data if row["task_name"] == "epoch"]
    assert len(scores) == 3
    assert scores[-1] == model.score(X)


def test_scoring_monitor_works_inside_a_pipeline(X):
    monitor = ScoringMonitor(scoring={"score": default_score})
    vae = small(max_epochs=3).set_callbacks(monitor)
    make_pipeline(StandardScaler(), vae).fit(X, np.zeros(len(X)))
    assert n_scores(monitor) >= 3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_monitor_works_inside_a_grid_search(n_jobs, X):
    monitor = ScoringMonitor(scoring={"score": default_score})
    vae = small(max_epochs=3).set_callbacks(monitor)
    grid = {"n_components": [1, 2]}
    search = GridSearchCV(vae, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(X, np.zeros(len(X)))
    runs = monitor.get_logs(select="all")
    rows = [row for log in runs for row in log.data if row["task_name"] == "epoch"]
    assert len(rows) == 3 * (2 * 2 + 1)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_works_alone_and_nested(n_jobs, X, capfd):
    bar = ProgressBar(max_propagation_depth=None)
    small().set_callbacks(bar).fit(X)
    make_pipeline(StandardScaler(), small()).set_callbacks(bar).fit(X)
    pipe = make_pipeline(StandardScaler(), small())
    search = GridSearchCV(pipe, {"vae__n_components": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(bar).fit(X)
    assert np.isfinite(search.best_score_)
    assert "VAE" in capfd.readouterr().out


def test_callbacks_follow_a_clone(X):
    callback = Recorder()
    clone(small(max_epochs=2).set_callbacks(callback)).fit(X)
    assert len(callback.scores) == 2
