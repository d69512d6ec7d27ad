"""Likelihoods by columns: the sum of their parts, with the parameters of entries."""

import numpy as np
import pytest
import torch
from conftest import small
from mixed_frames import NAMES, make_frame
from sklearn.compose import make_column_selector

from skvae._utils.rows import summarise
from skvae.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    ColumnLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    NormalScoresLikelihood,
)

RNG = np.random.default_rng(0)
ROWS = np.stack(
    [
        RNG.normal(3, 2, 200),
        RNG.integers(0, 3, 200),
        RNG.lognormal(0, 1, 200),
        RNG.integers(0, 2, 200),
        RNG.normal(-1, 0.1, 200),
    ],
    axis=1,
)
PLACES = {"normal": [4, 0], "classes": [1], "wide": [2], "binary": [3]}


def parts():
    return {
        "normal": GaussianLikelihood("feature"),
        "classes": CategoricalLikelihood(),
        "wide": NormalScoresLikelihood("predicted"),
        "binary": BernoulliLikelihood(),
    }


def built(likelihood, X=ROWS, columns=None):
    likelihood.check_support(X)
    likelihood.look(X, columns)
    summary = summarise(X)
    frame = likelihood.frame(summary)
    return likelihood.build(summary.in_frame(frame)).requires_grad_(False)


def joined():
    """Return a likelihood of columns, and its parts built alone."""
    entries = [(name, part, PLACES[name]) for name, part in parts().items()]
    alone = {n: built(part, ROWS[:, PLACES[n]]) for n, part in parts().items()}
    return built(ColumnLikelihood(entries)), alone


def outputs_of(alone, n=30, seed=1):
    """Return outputs of a decoder, together and by part."""
    sizes = [part.n_outputs(len(PLACES[name])) for name, part in alone.items()]
    h = torch.from_numpy(np.random.default_rng(seed).normal(0, 0.7, (n, sum(sizes))))
    h = h.float()
    return h, dict(zip(alone, h.split(sizes, -1), strict=True))


# ---------------------------------------------------------------- the sum of its parts


def test_every_column_has_the_density_of_its_own_likelihood():
    together, alone = joined()
    h, own = outputs_of(alone)
    x = torch.from_numpy(ROWS[:30]).float()
    p, expected = together(h), torch.empty(30, 5)
    for name, part in alone.items():
        q = part(own[name])
        expected[:, PLACES[name]] = q.log_prob_by_feature(x[:, PLACES[name]])
    torch.testing.assert_close(p.log_prob_by_feature(x), expected)
    torch.testing.assert_close(p.log_prob(x), expected.sum(-1))


def test_means_of_mixtures_are_those_of_the_parts():
    together, alone = joined()
    h, own = outputs_of(alone, n=24)
    weights = torch.from_numpy(RNG.dirichlet(np.ones(4), 6).T).float()
    mean, mixed = torch.empty(24, 5), torch.empty(6, 5)
    for name, part in alone.items():
        mean[:, PLACES[name]] = part(own[name]).mean
        q = part(own[name].reshape(4, 6, -1))
        of_part = getattr(q, "weighted_mean", None)
        mixed[:, PLACES[name]] = (
            of_part(weights) if of_part else (weights[..., None] * q.mean).sum(0)
        )
    torch.testing.assert_close(together(h).mean, mean)
    p = together(h.reshape(4, 6, -1))
    torch.testing.assert_close(p.weighted_mean(weights), mixed)


def test_draws_of_columns_have_the_margins_of_their_likelihoods():
    together, alone = joined()
    h, own = outputs_of(alone, n=1)
    draws = together(h.expand(20_000, -1)).sample(torch.Generator().manual_seed(0))
    for name, part in alone.items():
        q = part(own[name].expand(20_000, -1))
        other = q.sample(torch.Generator().manual_seed(1)).double()
        some = draws[:, PLACES[name]].double()
        error = 5 * (other.std(0) / 20_000**0.5 + 1e-9)
        assert ((some.mean(0) - other.mean(0)).abs() < 1.5 * error).all(), name
        ratio = some.std(0) / other.std(0)
        assert ((ratio - 1).abs() < 0.1).all(), name


def test_the_encoder_sees_every_column_as_its_likelihood_shows_it():
    together, alone = joined()
    x = torch.from_numpy(ROWS[:9]).float()
    seen = together.inputs(x).split([2, 3, 1, 1], -1)
    for name, found in zip(PLACES, seen, strict=True):
        if alone[name].has_inputs:
            own = alone[name].inputs(x[:, PLACES[name]])
            torch.testing.assert_close(found, own)
            continue
        summary = summarise(ROWS[:, PLACES[name]])
        scale = parts_scale(alone[name], summary)
        expected = (ROWS[:9][:, PLACES[name]] - summary.mean) / scale
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert together.n_inputs(5) == 7


def parts_scale(part, summary):
    return np.broadcast_to(part.encoder_scale(summary), summary.mean.shape)


def test_squared_slopes_are_the_sum_of_those_of_the_parts():
    together, alone = joined()
    h, own = outputs_of(alone, n=1)

    def slopes(part, h):
        def f(h):
            p = part(h)
            if hasattr(p, "information_coordinates"):
                return p.information_coordinates().sum(0)
            return (p.mean / p.variance.detach().sqrt()).sum(0)

        return torch.autograd.functional.jacobian(f, h).flatten(1)

    for name in ("normal", "classes", "wide"):
        J = slopes(alone[name], own[name])
        start = sum(own[n].shape[1] for n in list(own)[: list(own).index(name)])
        whole = slopes(together, h)[:, start : start + own[name].shape[1]]
        torch.testing.assert_close(whole.T @ whole, J.T @ J)


def test_missing_values_of_any_column_are_left_out():
    X = make_frame()
    model = small().fit(X)
    rows = torch.from_numpy(model._validate(X)).float()[:12]
    rows[range(12), [0, 1, 2, 3, 4, 5] * 2] = torch.nan
    p = model.module_.decode(torch.zeros(12, 2))
    by_feature = p.p.log_prob_by_feature(rows.nan_to_num(1.0))
    expected = torch.where(rows.isnan(), 0, by_feature).sum(-1)
    torch.testing.assert_close(p.log_prob(rows), expected)


# ------------------------------------------------------------- which columns are meant

WAYS = {
    "names": ["income", "age"],
    "positions": [1, 0],
    "negative positions": [-5, -6],
    "a slice of positions": slice(0, 2),
    "a slice of names": slice("age", "income"),
    "a slice without an end": slice(None, "income"),
    "a mask": [True, True, False, False, False, False],
    "an array": np.array([True, True, False, False, False, False]),
    "a selector": make_column_selector(pattern="age|income"),
    "a function": lambda frame: ["age", "income"],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_columns_are_named_as_in_a_column_transformer(way):
    likelihood = ColumnLikelihood([("normal", GaussianLikelihood(), way)])
    model = small(likelihood=likelihood, max_epochs=1).fit(make_frame(20))
    found = {name: columns for name, _, columns in model.likelihood_.likelihoods_}
    assert sorted(found.pop("normal")) == ["age", "income"]
    assert found == {"numbers": ["spent", "grade"], "categories": ["city", "member"]}


def test_one_name_or_position_is_one_column():
    for wanted in ("age", 0, np.int64(0)):
        likelihood = ColumnLikelihood([("a", GaussianLikelihood(), wanted)])
        model = small(likelihood=likelihood, max_epochs=1).fit(make_frame(20))
        assert model.likelihood_.likelihoods_[0][2] == ["age"]


def test_entries_without_columns_have_no_likelihood():
    selector = make_column_selector(dtype_include="datetime")
    likelihood = ColumnLikelihood([("dates", GaussianLikelihood(), selector)])
    model = small(likelihood=likelihood).fit(make_frame(20))
    names = [name for name, *_ in model.likelihood_.likelihoods_]
    assert names == ["numbers", "categories"]


def test_arrays_have_positions():
    likelihood = ColumnLikelihood([("a", LaplaceLikelihood(), [1])])
    model = small(likelihood=likelihood).fit(ROWS)
    found = [(name, columns) for name, _, columns in model.likelihood_.likelihoods_]
    assert found == [("a", [1]), ("numbers", [0, 2, 3, 4])]
    assert model.sample(3).shape == (3, 5)


@pytest.mark.parametrize(
    ("remainder", "expected"),
    [
        ("auto", {"numbers": ["age", "income", "spent", "grade"]}),
        (GaussianLikelihood(), {"numbers": NAMES[:3], "ordered": ["grade"]}),
    ],
)
def test_the_remainder_is_for_numbers(remainder, expected):
    model = small(likelihood=ColumnLikelihood(remainder=remainder)).fit(make_frame())
    found = {name: columns for name, _, columns in model.likelihood_.likelihoods_}
    assert found == expected | {"categories": ["city", "member"]}


LIKELIHOODS = ["gaussian", "laplace", NormalScoresLikelihood("predicted")]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_a_likelihood_of_numbers_is_the_remainder_of_a_table(likelihood):
    X = make_frame()
    model = small(likelihood=likelihood).fit(X)
    kinds = {name: type(part) for name, part, _ in model.likelihood_.likelihoods_}
    assert kinds["categories"] is CategoricalLikelihood
    if not isinstance(likelihood, str):
        assert kinds["numbers"] is NormalScoresLikelihood
        assert model.likelihood_.likelihoods_[0][1].scale == "predicted"
    assert np.isfinite(model.score_samples(X)).all()
    trained = [name for name, _ in model.likelihood_.named_parameters()]
    assert all(name.startswith("parts.") for name in trained)


# -------------------------------------------------------------------------- refusals

G = GaussianLikelihood()
WRONG = {
    "no list": (G, TypeError, r"entries \(name, likelihood, columns\)"),
    "a string": ("x", TypeError, r"entries \(name, likelihood, columns\)"),
    "nothing": (None, TypeError, r"entries \(name, likelihood, columns\)"),
    "two values": ([("a", G)], TypeError, r"entries \(name, likelihood, columns\)"),
    "no likelihood": ([("a", 3, ["age"])], TypeError, r"likelihood 'a'.*Got 3"),
    "columns in columns": (
        [("a", ColumnLikelihood(), ["age"])],
        TypeError,
        "likelihood 'a'.*such as GaussianLikelihood",
    ),
    "a name twice": (
        [("a", G, ["age"]), ("a", G, ["income"])],
        ValueError,
        "different names.*'a', 2 times",
    ),
    "a name with __": ([("a__b", G, ["age"])], ValueError, "without '__'.*'a__b'"),
    "a name of a parameter": ([("remainder", G, [0])], ValueError, "no parameters"),
    "a number as name": ([(1, G, ["age"])], ValueError, "strings.*Got 1"),
    "a column twice": (
        [("a", G, ["age"]), ("b", G, ["income", "age"])],
        ValueError,
        "one likelihood, but column 'age' is in 'a' and in 'b'",
    ),
    "a column twice in one": (
        [("a", G, ["age", 0])],
        ValueError,
        "one likelihood, but column 'age' .*twice in one. Leave it out",
    ),
    "a column twice by positions": (
        [("a", G, [0]), ("b", G, [-6])],
        ValueError,
        "one likelihood, but column 'age' is in 'a' and in 'b'",
    ),
    "no such name": ([("a", G, ["agé"])], ValueError, "of 'a', but.*'agé'.*It has"),
    "no such position": ([("a", G, [6])], ValueError, "of 'a', but has no column 6"),
    "no such end": ([("a", G, slice("x", None))], ValueError, "no column 'x'"),
    "a fraction": ([("a", G, [0.5])], ValueError, "no column 0.5"),
    "None": ([("a", G, None)], TypeError, "names, positions.*Got None"),
    "a short mask": ([("a", G, [True])], ValueError, "each of the 6 columns.*has 1"),
    "a number for names": (
        [("a", G, ["age", "city"])],
        ValueError,
        r"for numbers, but column 'city'.*CategoricalLikelihood\(\)",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_wrong_entries_are_refused_with_a_remedy(case):
    entries, error, message = case
    with pytest.raises(error, match=message):
        small(likelihood=ColumnLikelihood(entries)).fit(make_frame(20))


def test_a_wrong_remainder_is_refused():
    for wrong in ("gaussian", ColumnLikelihood(), GaussianLikelihood):
        with pytest.raises(TypeError, match=r"remainder.*such as GaussianLikelihood"):
            small(likelihood=ColumnLikelihood(remainder=wrong)).fit(make_frame(20))


def test_functions_need_a_frame():
    likelihood = ColumnLikelihood([("a", G, lambda frame: ["age"])])
    with pytest.raises(ValueError, match=r"'a' are a callable.*Give positions"):
        small(likelihood=likelihood).fit(ROWS)
