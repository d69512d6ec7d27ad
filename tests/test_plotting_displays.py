"""One battery over all displays."""

import inspect
import subprocess
import sys

import numpy as np
import pandas
import pytest
import torch
from conftest import ESTIMATORS, N_TRAIN, small
from displays import make
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skvae import plotting
from skvae.plotting import OptimalDecoderDisplay, PerplexityDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")
plt = pytest.importorskip("matplotlib.pyplot")

OF_NORMAL_POSTERIORS = OptimalDecoderDisplay, PerplexityDisplay
DISPLAYS = [getattr(plotting, name) for name in plotting.__all__]


@pytest.mark.parametrize("cls", DISPLAYS, ids=lambda cls: cls.__name__)
class TestDisplay:
    def test_makes_one_figure_of_pyplot_and_returns_itself(self, cls, vae, digits):
        display = make(cls, vae, digits[0])
        assert isinstance(display, cls)
        assert len(plt.get_fignums()) == 1
        assert display.figure_ is plt.gcf()
        assert display.ax_.figure is display.figure_
        display.figure_.canvas.draw()

    def test_draws_onto_the_axes_it_is_given(self, cls, vae, digits):
        figure, (left, right) = plt.subplots(1, 2)
        display = make(cls, vae, digits[0], ax=right)
        assert display.figure_ is figure
        assert len(plt.get_fignums()) == 1
        assert not left.has_data()
        place = right.get_subplotspec().get_position(figure)
        inside = display.ax_.get_subplotspec().get_position(figure)
        assert inside.x0 >= place.x0 - 1e-9
        assert inside.y1 <= place.y1 + 1e-9
        figure.canvas.draw()

    def test_plots_again(self, cls, vae, digits):
        display = make(cls, vae, digits[0])
        first = display.ax_
        assert display.plot() is display
        assert display.ax_ is not first
        assert len(plt.get_fignums()) == 2

    def test_keeps_what_its_constructor_was_given(self, cls, vae, digits):
        display = make(cls, vae, digits[0])
        names = inspect.signature(cls).parameters
        again = cls(**{name: getattr(display, name) for name in names})
        assert not [name for name in vars(again) if name.endswith("_")]
        assert vars(again).keys() == set(names)
        again.plot()

    def test_has_the_artists_its_docstring_names(self, cls, vae, digits):
        display = make(cls, vae, digits[0], y=digits[1][N_TRAIN:])
        attributes = cls.__doc__.partition("Attributes\n")[2]
        named = [
            word
            for line in attributes.splitlines()
            if (word := line.strip().partition(" : ")[0]).endswith("_")
        ]
        assert {"ax_", "figure_"} < set(named)
        assert len(named) > 2
        for name in named:
            assert hasattr(display, name), name

    def test_leaves_global_state_alone(self, cls, vae, digits):
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        settings = dict(plt.rcParams)
        display = make(cls, vae, digits[0])
        display.figure_.canvas.draw()
        assert torch.equal(before[0], torch.get_rng_state())
        np.testing.assert_array_equal(before[1], np.random.get_state()[1])
        assert dict(plt.rcParams) == settings

    def test_works_on_a_pipeline(self, cls, digits):
        X = digits[0]
        pipeline = make_pipeline(MinMaxScaler(), small()).fit(X[:N_TRAIN])
        make(cls, pipeline, X).figure_.canvas.draw()

    def test_takes_frames(self, cls, digits):
        X = pandas.DataFrame(digits[0]).add_prefix("pixel")
        vae = small(likelihood="gaussian").fit(X[:N_TRAIN])
        make(cls, vae, X).figure_.canvas.draw()

    def test_refuses_axes_that_are_none(self, cls, vae, digits):
        with pytest.raises(
            (TypeError, ValueError), match=r"ax of \w+\.plot must.*'no'"
        ):
            make(cls, vae, digits[0]).plot(ax="no")

    def test_documents_every_parameter(self, cls):
        for name in ("__init__", "from_estimator", "from_predictions", "plot"):
            method = getattr(cls, name, None)
            if method is None:
                continue
            text = cls.__doc__ if name == "__init__" else method.__doc__
            for parameter in inspect.signature(method).parameters:
                if parameter != "self":
                    assert parameter in text, (name, parameter)


@pytest.mark.parametrize(
    "cls",
    [d for d in DISPLAYS if hasattr(d, "from_estimator")],
    ids=lambda c: c.__name__,
)
class TestFromEstimator:
    def test_is_decided_by_random_state(self, cls, vae, digits):
        displays = [make(cls, vae, digits[0]) for _ in range(2)]
        for name in inspect.signature(cls).parameters:
            a, b = (getattr(display, name) for display in displays)
            np.testing.assert_equal(a, b)

    def test_refuses_an_unfitted_estimator(self, cls, digits):
        with pytest.raises(Exception, match="not fitted"):
            make(cls, small(), digits[0])

    def test_names_what_another_estimator_lacks(self, cls, digits):
        kmeans = KMeans(2, random_state=0).fit(digits[0])
        with pytest.raises(TypeError, match=r"Display needs .*KMeans"):
            make(cls, kmeans, digits[0])

    @pytest.mark.parametrize("model", ESTIMATORS)
    def test_works_on_every_model(self, cls, model, digits):
        X = digits[0]
        estimator = small(model, max_epochs=1).fit(X[:N_TRAIN])
        if cls in OF_NORMAL_POSTERIORS and estimator.module_.posterior.deterministic:
            with pytest.raises(TypeError, match="Posterior"):
                make(cls, estimator, X)
        else:
            make(cls, estimator, X).figure_.canvas.draw()


WITHOUT_MATPLOTLIB = """
import inspect, sys
from skvae import plotting
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None  # every import of it now fails
for name in plotting.__all__:
    for method, function in inspect.getmembers(getattr(plotting, name)):
        if not method.startswith("from_"):
            continue
        parameters = inspect.signature(function).parameters.values()
        try:
            function(*[None for p in parameters if p.default is p.empty])
        except ImportError as error:
            assert f"{name}.{method} needs matplotlib" in str(error), error
            assert "pip install 'skvae[plot]'" in str(error), error
            print(name)
try:
    plotting.TrainingCurveDisplay({"loss": [1.0]}).plot()
except ImportError as error:
    assert "TrainingCurveDisplay.plot needs matplotlib" in str(error), error
    print("plot")
"""


@pytest.mark.slow
def test_says_what_to_install_without_matplotlib():
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) == {*plotting.__all__, "plot"}
