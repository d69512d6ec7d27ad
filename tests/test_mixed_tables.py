"""The benchmark of mixed tables codes, draws, measures and compares as it says."""

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from skvae.metrics import column_shapes

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    import mixed_tables
    import table_generators
    import tables_of_packages
    from table_generators import MODELS, Complete, OneHot, as_measured, decimals


SIZES = ["small", "middle", "large"]


def mixed_frame(n=200):
    """Two groups of rows; gaps in numbers and in categories."""
    rng = np.random.default_rng(0)
    group = rng.integers(2, size=n)
    frame = pd.DataFrame(
        {
            "kg": (rng.normal(size=n) + 20 * group).round(2),
            "size": pd.Categorical.from_codes(
                2 * group, dtype=pd.CategoricalDtype(SIZES, ordered=True)
            ),
            "count": 10 * group + rng.integers(30, size=n),
            "kind": pd.Categorical(np.array(["a", "b"], dtype=object)[group]),
        }
    )
    frame.loc[::20, "kg"] = np.nan
    frame.loc[7::20, "kind"] = np.nan
    return frame


@pytest.mark.parametrize("coding", [Complete, OneHot])
def test_codings_lead_back_to_the_frame(coding):
    frame = mixed_frame()
    fitted = coding(frame[:150])
    back = fitted.decode(fitted.encode(frame))
    pd.testing.assert_frame_equal(as_measured(back, frame), frame)


def test_a_complete_frame_has_floats_and_text_and_says_where_gaps_were():
    frame = mixed_frame()
    coded = Complete(frame).encode(frame)
    assert list(coded) == ["kg", "count", "size", "kind", "kg is missing"]
    assert not coded.isna().any(axis=None)
    assert [coded[name].dtype for name in coded] == [float, float, *[object] * 3]
    assert (coded["kg is missing"] == "1").equals(frame["kg"].isna())
    assert coded["kg"][0] == pytest.approx(frame["kg"].mean())
    assert set(coded["kind"]) == {"-1", "0", "1"}


def test_one_hot_numbers_are_standardised_and_the_greatest_column_is_the_category():
    frame = mixed_frame()
    coding = OneHot(frame)
    X = coding.encode(frame)
    assert X.shape == (
        200,
        2 + 2 + 3 + 2,
    )  # two sizes; a gap is a kind
    np.testing.assert_allclose(X[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(X[:, :2].std(axis=0), 1)
    X[:, 2:] += np.random.default_rng(0).uniform(-0.4, 0.4, size=X[:, 2:].shape)
    pd.testing.assert_frame_equal(as_measured(coding.decode(X), frame), frame)


@pytest.mark.parametrize(
    ("values", "n"), [([1.0, 2.0], 0), ([0.5, np.nan, 0.25], 2), ([1 / 3, 1.0], 8)]
)
def test_decimals_are_the_most_that_a_value_has(values, n):
    assert decimals(pd.Series(values)) == n


def test_draws_get_order_decimals_and_types_of_the_training_rows():
    train = pd.DataFrame({"kg": [0.5, 1.5], "n": [1, 2]}).astype({"n": "int32"})
    drawn = pd.DataFrame({"n": [0.7, 2.2], "kg": [0.5499, np.nan]}, index=[8, 9])
    expected = pd.DataFrame({"kg": [0.5, np.nan], "n": [1, 2]}).astype({"n": "int32"})
    pd.testing.assert_frame_equal(as_measured(drawn, train), expected)


def test_independent_columns_have_the_values_but_not_the_relations():
    frame = mixed_frame(1000)
    drawn = as_measured(MODELS["independent columns"](frame, 0)(1000), frame)
    for name in frame:
        assert set(drawn[name].dropna()) <= set(frame[name].dropna())
    gaps = drawn["kg"].isna()
    assert gaps.mean() == pytest.approx(0.05, abs=0.03)  # four standard errors
    heavy, large = drawn["kg"] > 10, drawn["size"] == "large"
    assert abs(np.corrcoef(heavy, large)[0, 1]) < 0.13  # four standard errors


def test_training_rows_are_drawn_once_or_again():
    frame = mixed_frame().reset_index()
    assert sorted(MODELS["training rows"](frame, 0)(200)["index"]) == list(range(200))
    redrawn = MODELS["training rows, redrawn"](frame, 0)(200)["index"]
    assert redrawn.nunique() == pytest.approx(200 * (1 - np.exp(-1)), abs=25)


@pytest.mark.parametrize(
    "name", ["mixture", "mixture of normal scores", "VAE of one-hot"]
)
def test_draws_of_models_keep_groups_apart(name):
    frame = mixed_frame()
    drawn = as_measured(MODELS[name](frame, 0)(300), frame)
    both = drawn[["kg", "kind"]].dropna()
    agree = (both["kg"] > 10) == (both["kind"] == "b")
    assert agree.mean() > 0.9


class Peer:
    """Stands for a class of ctgan; draws the rows that it was given."""

    def __init__(self, batch_size=500):
        self.batch_size = batch_size

    def set_random_state(self, seed):
        self.seed = seed

    def fit(self, frame, discrete_columns):
        Peer.last = self
        self.frame, self.discrete_columns = frame, discrete_columns

    def sample(self, n):
        return self.frame[:n].reset_index(drop=True)


def test_peers_see_complete_frames_and_numbers_of_few_values_as_discrete(monkeypatch):
    package = ModuleType("ctgan")
    package.TVAE, package.__spec__ = Peer, ModuleSpec("ctgan", None)
    monkeypatch.setitem(sys.modules, "ctgan", package)
    frame = mixed_frame().assign(year=np.arange(200) % 3 + 2007, half=0.5)
    draw = MODELS["TVAE, batches of 50"](frame, 3)
    assert (Peer.last.seed, Peer.last.batch_size) == (3, 50)
    discrete = {"size", "kind", "year", "half", "kg is missing"}
    assert set(Peer.last.discrete_columns) == discrete
    assert not Peer.last.frame.isna().any(axis=None)
    pd.testing.assert_frame_equal(as_measured(draw(200), frame), frame)


def test_packages_that_are_missing_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(table_generators, "find_spec", lambda package: None)
    with pytest.raises(SystemExit, match=r"'ctgan', which.*pip install --no-deps ctga"):
        MODELS["TVAE"](mixed_frame(), 0)
    monkeypatch.setattr(tables_of_packages, "find_spec", lambda package: None)
    with pytest.raises(SystemExit, match=r"'plotnine', which.*--no-deps plotnine"):
        tables_of_packages.diamonds()


@pytest.mark.parametrize(
    ("n", "n_train", "n_test"), [(8, 4, 4), (9, 5, 4), (10000, 4000, 4000)]
)
def test_splits_are_halves_without_a_row_in_common(n, n_train, n_test):
    frame = pd.DataFrame({"row": range(n)})
    train, test = tables_of_packages.split(frame, 0)
    assert (len(train), len(test)) == (n_train, n_test)
    assert not set(train["row"]) & set(test["row"])
    assert not train.equals(tables_of_packages.split(frame, 1)[0])


def test_categories_are_declared_in_their_order():
    frame = pd.DataFrame({"cut": ["b", "a", None], "kind": ["y", "x", "y"]})
    found = tables_of_packages.as_categories(frame, cut="ba", kind=None)
    assert list(found["cut"].cat.categories) == ["b", "a"]
    assert list(found["kind"].cat.categories) == ["x", "y"]
    assert [found[name].cat.ordered for name in found] == [True, False]
    labels = tables_of_packages.TABLES["breast cancer"].read()["diagnosis"]
    assert labels.value_counts().to_dict() == {"benign": 357, "malignant": 212}


def test_figures_tell_good_draws_from_bad_ones():
    train, test, new = parts(900)
    apart = MODELS["independent columns"](train, 0)(300)
    good, bad, copied = (
        mixed_tables.figures(train, test, as_measured(drawn, train), "size", 0)
        for drawn in (new, apart, train)
    )
    assert good["pairs"] > bad["pairs"] + 0.1
    assert good["AUC"] < 0.6 < 0.8 < bad["AUC"]
    assert good["utility"] == pytest.approx(1, abs=0.05)
    assert bad["utility"] < 0.8
    assert good["distance"] == pytest.approx(1, abs=0.3)
    assert copied["distance"] == 0
    assert copied["copies"] == 1 - copied["copies, of held-out rows"]
    assert abs(good["copies"]) < 0.02
    assert good["shapes"] > 0.9


def parts(n):
    frame = mixed_frame(n)
    return [frame[i::3].reset_index(drop=True) for i in range(3)]


def test_as_many_rows_are_drawn_as_are_held_out_and_in_the_form_of_the_table():
    train, test = (mixed_frame()[:n].reset_index(drop=True) for n in (120, 80))
    asked = []

    def fit(frame, seed):
        assert frame is train
        assert seed == 4

        def draw(n):
            asked.append(n)
            # All values differ in the third decimal from those of the table.
            return test.assign(kg=test["kg"] + 0.003)[:n]

        return draw

    found = mixed_tables.measure(fit, train, test, "size", 4)
    assert asked == [80]
    assert found["copies"] == 0
    assert found["copies, of held-out rows"] == 1
    assert found["shapes"] == 1
    assert found["seconds to fit"] < 0.1


@pytest.mark.parametrize(
    ("figure", "best", "near", "far"),
    [
        ("shapes", 1.0, 0.9, 0.8),
        ("pairs", 1.0, 0.9, 0.8),
        ("AUC", 0.5, 0.45, 0.6),
        ("utility", 1.1, 1.0, 0.9),
        ("copies", 0.0, 0.1, -0.2),
        ("distance", 1.0, 1.5, 0.5),
        ("distance", 1.0, 0.5, 0.0),
        ("seconds to fit", 0.0, 1.0, 2.0),
    ],
)
def test_figures_are_judged_by_how_far_they_are_from_the_best(figure, best, near, far):
    by_value = mixed_tables.FIGURES[figure]
    assert by_value(best) < by_value(near) < by_value(far)


def test_a_mixture_of_normal_scores_draws_columns_of_any_distribution():
    skewed = pd.DataFrame({"m": np.random.default_rng(0).lognormal(3, 1, 1000)})
    train = skewed.assign(kind=pd.Categorical(["a", "b"] * 500))
    shapes = [
        column_shapes(train, as_measured(MODELS[name](train, 0)(1000), train))
        for name in ("mixture", "mixture of normal scores")
    ]
    assert shapes[1].similarities[0] > 0.95 > shapes[0].similarities[0]


def test_the_mixture_has_as_many_components_as_groups(monkeypatch):
    fitted = []

    class Mixture(table_generators.GaussianMixture):
        def sample(self, n_samples=1):
            fitted.append(self.n_components)
            return super().sample(n_samples)

    monkeypatch.setattr(table_generators, "GaussianMixture", Mixture)
    MODELS["mixture"](mixed_frame()[["kg", "size"]].dropna(), 0)(9)
    assert fitted == [2]


def test_results_are_kept_and_failures_are_not(tmp_path, monkeypatch, capsys):
    seeds = []

    def model(train, seed):
        seeds.append(seed)
        if seed == 2:
            raise ValueError("no draws")
        return MODELS["training rows"](train, seed)

    monkeypatch.setitem(mixed_tables.MODELS, "VAE", model)
    options = ["--folder", str(tmp_path), "--tables", "wine", "--models", "VAE"]
    mixed_tables.main([*options, "--seeds", "1", "2"])
    out = capsys.readouterr().out
    assert "wine--VAE--2 failed: ValueError: no draws" in out
    assert [path.name for path in tmp_path.iterdir()] == ["wine--VAE--1.json"]
    mixed_tables.main([*options, "--seeds", "1"])
    assert seeds == [1, 2]
    mixed_tables.main([*options, "--seeds", "1", "--again"])
    assert seeds == [1, 2, 1]
    capsys.readouterr()
    mixed_tables.main([*options, "--table"])
    out = capsys.readouterr().out
    assert "### wine, 89 rows to train on" in out
    assert "| VAE | 0." in out
    assert seeds == [1, 2, 1]


def test_the_first_is_nearest_to_the_best_value(tmp_path, capsys):
    figures = dict.fromkeys(mixed_tables.FIGURES, 0.9) | {"n_train": 9}

    def keep(model, **values):
        for seed in range(2):
            path = mixed_tables.path_of(tmp_path, "wine", model, seed)
            found = figures | {name: v[seed] for name, v in values.items()}
            path.write_text(json.dumps(found))

    keep("training rows", shapes=(1.0, 1.0))
    keep("TVAE", AUC=(0.6, 0.5), shapes=(0.92, 0.91), copies=(0.1, -0.1))
    keep("VAE", AUC=(0.7, 0.4), shapes=(0.90, 0.92), copies=(0.3, 0.3))
    keep("VAE, z ~ N(0, I)", AUC=(0.9, 0.1), distance=(1.5, 0.5))
    mixed_tables.main(["--folder", str(tmp_path), "--tables", "wine", "--table"])
    out = capsys.readouterr().out
    assert "| TVAE | 0.915 ± 0.007 | 0.900 ± 0.000 | 0.550 ± 0.071 |" in out
    assert "First in shapes: TVAE; pairs: TVAE = VAE = VAE, z ~ N(0, I); AUC: T" in out
    assert "; copies: TVAE; distance: TVAE = VAE; sec" in out
    # Areas are 0.1 further on both seeds; shapes are 0.02 below and 0.01 above.
    inside = "shapes, pairs, utility, distance, seconds to fit, seconds to draw"
    assert f"VAE is first, or within the spread, in: {inside}." in out


def test_models_whose_names_begin_alike_are_kept_apart(tmp_path):
    for model in ("VAE", "VAE, z ~ N(0, I)", "VAE of one-hot"):
        mixed_tables.path_of(tmp_path, "wine", model, 0).write_text(
            f'{{"n": {len(model)}}}'
        )
    found = mixed_tables.read(tmp_path, "wine")
    assert found == {model: {0: {"n": len(model)}} for model in found}
    assert len(found) == 3
