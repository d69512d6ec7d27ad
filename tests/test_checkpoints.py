"""A fit with a checkpoint goes on after its process has ended, to the same bits."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL_SECOND_STAGE, make_data, outputs, small
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau, StepLR

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._training.loop import Step
from skvae.callbacks import Checkpoint
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import ConvNet

pytestmark = pytest.mark.filterwarnings("error:.*lr_scheduler.step:UserWarning")
X = make_data(120, 5)


class Killed(BaseException):
    """The end of a process, as far as it can be told from inside."""


class Killer:
    """Ends a fit after some epochs, when all other callbacks have been called."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_epochs -= context.task_name == "epoch"
        if self.n_epochs == 0:
            raise Killed


def fit_killed(model, path, n_epochs, X=X, y=None, **options):
    """Fit a clone that is killed after some epochs; return whether it was."""
    checkpoint = Checkpoint(path, **options)
    killed = clone(model).set_callbacks(checkpoint, Killer(n_epochs))
    try:
        killed.fit(X, y)
    except Killed:
        return True
    return False


def fit_again(model, path, X=X, y=None, **options):
    return clone(model).set_callbacks(Checkpoint(path, **options)).fit(X, y)


def all_of(model, X):
    out = outputs(model, X) | {f"history.{k}": v for k, v in model.history_.items()}
    out["kl"], out["active"] = model.kl_per_component_, model.active_components_
    if isinstance(model, TwoStageVAE):
        second = model.second_stage_
        out |= {f"second.{k}": v for k, v in second.history_.items()}
        weights = second.module_.state_dict().items()
        out |= {f"second.{k}": v.numpy() for k, v in weights}
    if isinstance(X, pd.DataFrame):
        out = {k: np.asarray(v) for k, v in out.items()}
    return out


def assert_same_fit(model, other, X=X):
    one, two = all_of(model, X), all_of(other, X)
    assert one.keys() == two.keys()
    for name, values in two.items():
        assert str(one[name]) == str(values) if values.dtype == object else True
        if values.dtype != object:
            np.testing.assert_array_equal(one[name], values, err_msg=name)


def one_cycle(optimizer):
    return OneCycleLR(optimizer, 1e-2, total_steps=8)


def falling(optimizer):
    return LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))


def halving(optimizer):
    return StepLR(optimizer, 2, 0.5)


def impatient(optimizer):
    return ReduceLROnPlateau(optimizer, patience=0, threshold=1e9)


SECOND = clone(SMALL_SECOND_STAGE).set_params(max_epochs=5)
STOPS = {"early_stopping": True, "n_iter_no_change": 2, "learning_rate": 0.05}
MODELS = {
    "constant": small(),
    "plateau": small(lr_schedule="plateau"),
    "impatient": small(lr_schedule=impatient),
    "cosine": small(lr_schedule="cosine"),
    "one cycle": small(lr_schedule=one_cycle),
    "lambda": small(lr_schedule=falling),
    "steps": small(lr_schedule=halving),
    "early stopping": small(**STOPS, kl_warmup=0.0),
    "best of all": small(early_stopping=True, n_iter_no_change=9, learning_rate=0.2),
    "warm-up": small(kl_warmup=0.6, beta=2.0),
    "mixture": small(latent_density=GaussianMixture(2)),
    "predicted": small(likelihood=GaussianLikelihood("predicted")),
    "no seed": small(random_state=None),
    "IWAE": small(IWAE),
    "RAE": small(RAE, regularizer="spectral_norm"),
    "gan": small(WAE, divergence="gan"),
    "two stages": small(TwoStageVAE, second_stage=SECOND),
    "two stages, stopping": small(
        TwoStageVAE, second_stage=clone(SECOND).set_params(**STOPS), **STOPS
    ),
}
for _model in MODELS.values():
    _model.set_params(max_epochs=8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize("kind", MODELS)
def test_the_same_call_goes_on_to_the_same_bits(kind, path):
    model = MODELS[kind]
    if kind == "no seed":
        model = clone(model).set_params(random_state=np.random.RandomState(3))
    whole = clone(model).fit(X)
    for n_epochs in (1, 4, 7, 10):
        if fit_killed(model, path, n_epochs):
            assert path.exists()
        assert_same_fit(fit_again(model, path), whole)
        assert not path.exists()


@pytest.mark.parametrize("cls", [VAE, TwoStageVAE])
def test_a_fit_without_a_seed_has_its_seed_in_the_file(cls, path):
    model = small(cls, random_state=None, max_epochs=4)
    assert fit_killed(model, path, 2)
    content = path.read_bytes()
    one = fit_again(model, path)
    path.write_bytes(content)
    assert_same_fit(fit_again(model, path), one)
    assert not np.array_equal(clone(model).fit(X).transform(X), one.transform(X))


@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_a_fit_that_is_killed_again_and_again_ends_in_the_same_model(n_epochs, path):
    model = MODELS["two stages"]
    for _ in range(30):
        if not fit_killed(model, path, n_epochs + 1):  # one epoch is told of again
            break
    else:
        pytest.fail("it has never ended")
    assert not path.exists()
    assert fit_killed(model, path, n_epochs + 1)
    assert_same_fit(fit_again(model, path), clone(model).fit(X))


def frames():
    rng = np.random.default_rng(0)
    kind = np.where(rng.random(80) < 0.3, None, "ab")
    return pd.DataFrame({"a": rng.normal(size=80), "b": rng.exponential(size=80)}).join(
        pd.DataFrame({"kind": kind})
    )


DATA = {
    "bytes": np.rint(255 * make_data(80, 16)).astype(np.uint8),
    "images": make_data(80, 64).reshape(80, 8, 8),
    "frame": frames(),
    "gaps": np.where(make_data(80, 5) > 0.8, np.nan, make_data(80, 5)),
    "far": make_data(80, 5).astype(np.float64) * 1e-3 + 1e6,
}


@pytest.mark.parametrize("kind", DATA)
def test_data_of_any_kind_are_gone_on_with(kind, path):
    X = DATA[kind]
    options = {"network": ConvNet(channels=(2,))} if kind == "images" else {}
    model = small(max_epochs=4, **options)
    assert fit_killed(model, path, 2, X)
    again = fit_again(model, path, X)
    whole = clone(model).fit(X)
    for name, value in whole.module_.state_dict().items():
        np.testing.assert_array_equal(again.module_.state_dict()[name], value)
    assert again.score(X) == whole.score(X)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("n_epochs", [1, 3, 5])
@pytest.mark.parametrize("schedule", ["constant", "plateau", "cosine", one_cycle])
def test_recoveries_are_remembered(n_epochs, schedule, path, monkeypatch):
    model = small(max_epochs=7, lr_schedule=schedule, kl_warmup=0.0)
    call, taken = Step.__call__, []

    def spoil(self, x):
        taken.append(1)  # the attempts of a whole fit: epochs 2 and 5 are undone
        bad = len(taken) in (8 + 3, 8 * 3 + 16 + 2)
        return call(self, x) * (np.nan if bad else 1)

    monkeypatch.setattr(Step, "__call__", spoil)
    whole = clone(model).fit(X)
    assert len(set(whole.history_["learning_rate"])) > 1
    taken.clear()
    assert fit_killed(model, path, n_epochs)
    again = fit_again(model, path)
    assert_same_fit(again, whole)


def test_a_file_that_is_written_less_often_is_enough(path):
    model, whole = MODELS["cosine"], clone(MODELS["cosine"]).fit(X)
    for options in ({"every_n_epochs": 3}, {"seconds": 1000}):
        assert fit_killed(model, path, 5, **options)
        assert_same_fit(fit_again(model, path, **options), whole)


class Counting(Killer):
    """Writes down what it is told of epochs; asks to stop."""

    def __init__(self, stop_at=None):
        self.stop_at, self.seen = stop_at, []

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            self.seen.append((context.task_id, fitted_estimator.n_epochs_))
        return fitted_estimator.n_epochs_ == self.stop_at


@pytest.mark.parametrize("first", [True, False])
def test_a_stop_that_a_callback_asks_for_is_not_forgotten(first, path):
    model = small(max_epochs=8)
    whole = clone(model).set_callbacks(Counting(3)).fit(X)
    checkpoint, last = Checkpoint(path), Counting(3)
    callbacks = [checkpoint, last] if first else [last, checkpoint]
    killed = clone(model).set_callbacks(*callbacks, Killer(3))
    with pytest.raises(Killed):
        killed.fit(X)
    stopping = Counting(3)
    again = clone(model).set_callbacks(Checkpoint(path), stopping).fit(X)
    assert_same_fit(again, whole)
    assert stopping.seen == [(2, 3)]


def test_callbacks_are_told_of_the_last_epoch_again_and_of_those_that_follow(path):
    model, seen = small(max_epochs=6), Counting()
    assert fit_killed(model, path, 3)
    clone(model).set_callbacks(Checkpoint(path), seen).fit(X)
    assert seen.seen == [(2, 3), (3, 4), (4, 5), (5, 6)]


def test_the_second_stage_goes_on_without_the_first_being_told_again(path):
    model, seen = MODELS["two stages"], Counting()
    assert fit_killed(model, path, 10)
    clone(model).set_callbacks(Checkpoint(path), seen).fit(X)
    assert [task for task, _ in seen.seen] == [9, 10, 11, 12]


@pytest.mark.parametrize("name", ["bar", "monitor", "both"])
def test_it_lives_with_the_callbacks_of_scikit_learn(name, path, capfd):
    monitor = ScoringMonitor(scoring={"score": lambda model, X, y: model.score(X)})
    bar = ProgressBar()
    others = {"bar": [bar], "monitor": [monitor], "both": [bar, monitor]}[name]
    model = small(max_epochs=4).set_callbacks(*others, Checkpoint(path), Killer(2))
    y = np.zeros(len(X))
    with pytest.raises(Killed):
        model.fit(X, y)
    model.set_callbacks(Checkpoint(path), *others).fit(X, y)
    assert_same_fit(model, small(max_epochs=4).fit(X))
    if name != "bar":
        rows = monitor.get_logs().data
        assert [row["task_id"] for row in rows if row["task_name"] == "epoch"] == [
            *(1, 2, 3)
        ]


def test_it_lives_inside_a_pipeline(path):
    model = small(max_epochs=4)
    pipeline = make_pipeline(StandardScaler(), clone(model))
    pipeline[-1].set_callbacks(Checkpoint(path), Killer(2))
    with pytest.raises(Killed):
        pipeline.fit(X)
    assert path.exists()
    pipeline[-1].set_callbacks(Checkpoint(path))
    pipeline.fit(X)
    assert not path.exists()
    expected = clone(model).fit(StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(
        pipeline.transform(X), expected.transform(StandardScaler().fit_transform(X))
    )


def test_an_error_and_an_interrupt_leave_the_file(path):
    class Failing(GaussianMixture):
        def fit(self, Z, y=None):
            raise OSError("out of luck")

    model = small(latent_density=Failing(2), max_epochs=3)
    with pytest.raises(OSError, match="luck"), pytest.warns(RuntimeWarning):
        model.set_callbacks(Checkpoint(path)).fit(X)
    assert path.exists()


def test_a_warm_start_that_is_killed_goes_on(path):
    def earlier():
        return small(warm_start=True, max_epochs=3, **STOPS).fit(X)

    whole = earlier().set_params(n_iter_no_change=9, max_epochs=6).fit(X)
    model = earlier().set_params(n_iter_no_change=9, max_epochs=6)
    with pytest.raises(Killed):
        model.set_callbacks(Checkpoint(path), Killer(2)).fit(X)
    model = earlier().set_params(n_iter_no_change=9, max_epochs=6)
    assert_same_fit(model.set_callbacks(Checkpoint(path)).fit(X), whole)


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_checkpoint_can_be_copied(way, path):
    model = small(max_epochs=3).set_callbacks(Checkpoint(path, 2, 5.0))
    checkpoint = way(model)._skl_callbacks[0]
    assert repr(checkpoint) == repr(Checkpoint(path, 2, 5.0))
    way(model).fit(X)


def test_going_on_is_told_if_asked(path, capsys):
    model = small(max_epochs=3)
    assert fit_killed(model, path, 2)
    fit_again(clone(model).set_params(verbose=1), path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"[VAE] goes on from {path}"
    assert [line.split()[2] for line in lines[1:]] == ["3/3"]
