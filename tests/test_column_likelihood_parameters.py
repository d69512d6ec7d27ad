"""Parameters of likelihoods by columns, by the names of entries."""

import pickle

import numpy as np
import pytest
from conftest import small
from mixed_frames import assert_equal, make_frame
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skvae.likelihoods import (
    ColumnLikelihood,
    GaussianLikelihood,
    NormalScoresLikelihood,
)


def example():
    return ColumnLikelihood(
        [
            ("normal", GaussianLikelihood(0.5), ["age"]),
            ("wide", NormalScoresLikelihood(), ["income", "spent"]),
        ],
        remainder=GaussianLikelihood("feature"),
    )


def test_parameters_of_entries_have_their_names():
    likelihood = example()
    shallow = likelihood.get_params(deep=False)
    assert set(shallow) == {"likelihoods", "remainder"}
    params = likelihood.get_params()
    assert params["normal"] is likelihood.likelihoods[0][1]
    assert params["normal__scale"] == 0.5
    assert params["wide__scale"] == "feature"
    assert params["remainder__scale"] == "feature"
    nested = small(likelihood=likelihood).get_params()
    assert nested["likelihood__normal__scale"] == 0.5


def test_parameters_of_entries_can_be_set():
    likelihood = example()
    given = likelihood.likelihoods
    new = NormalScoresLikelihood("predicted")
    likelihood.set_params(normal__scale="global", wide=new, remainder__scale=2.0)
    (_, normal, first), (_, wide, second) = likelihood.likelihoods
    assert normal.scale == "global"
    assert wide is new
    assert (first, second) == (["age"], ["income", "spent"])
    assert likelihood.remainder.scale == 2.0
    assert given[1][1] is not new  # the list of the user stays as it is


def test_entries_and_their_parameters_can_be_set_at_once():
    likelihood = ColumnLikelihood()
    entries = [("a", GaussianLikelihood(), [0]), ("b", GaussianLikelihood(), [1])]
    likelihood.set_params(likelihoods=entries, a__scale=0.1, remainder="auto")
    assert [part.scale for _, part, _ in likelihood.likelihoods] == [0.1, "auto"]
    with pytest.raises(ValueError, match="Invalid parameter 'c'"):
        likelihood.set_params(c=3)


def test_a_remainder_is_a_parameter_and_no_part_of_the_module():
    likelihood = example()
    assert list(likelihood.children()) == []
    likelihood.set_params(remainder=GaussianLikelihood())
    assert list(likelihood.children()) == []


def test_clones_are_copies_without_what_was_learned():
    model = small(likelihood=example()).fit(make_frame())
    copy = clone(model.likelihood_)
    assert repr(copy) == repr(example())
    assert copy.likelihoods[0][1] is not model.likelihood.likelihoods[0][1]
    assert not hasattr(copy, "parts")
    assert not hasattr(model.likelihood, "parts")


def test_a_search_goes_over_entries_and_their_parameters():
    grid = {
        "likelihood__normal__scale": ["global", 0.5],
        "likelihood__wide": [GaussianLikelihood(), NormalScoresLikelihood()],
    }
    model = small(likelihood=example(), max_epochs=2)
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(make_frame())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 4


def test_its_text_says_how_it_was_made():
    assert repr(ColumnLikelihood()) == "ColumnLikelihood()"
    text = " ".join(repr(example()).split())
    assert "('normal', GaussianLikelihood(scale=0.5), ['age'])" in text


def test_pickles_are_the_same_model():
    X = make_frame()
    model = small(likelihood=example()).fit(X)
    other = pickle.loads(pickle.dumps(model))
    assert_equal(other.sample(9, random_state=0), model.sample(9, random_state=0))
    np.testing.assert_array_equal(other.score_samples(X), model.score_samples(X))
    unbuilt = pickle.loads(pickle.dumps(example()))
    assert repr(unbuilt) == repr(example())


def test_warm_starts_refuse_other_likelihoods():
    X = make_frame()
    model = small(likelihood=example(), warm_start=True).fit(X)
    model.fit(X)
    model.set_params(likelihood__normal__scale="global")
    with pytest.raises(ValueError, match="likelihood has changed"):
        model.fit(X)
