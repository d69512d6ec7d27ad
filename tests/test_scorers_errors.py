"""Metrics that fail, and parameters that scorers refuse."""

import numpy as np
import pytest
from scored_models import MIXTURE, X_TEST, X_TRAIN, Counting, spread

from skvae import make_sample_scorer
from skvae.metrics import density_coverage


class TestErrors:
    def test_are_raised_or_returned_as_asked(self):
        broken = Counting(fail=True).fit(X_TRAIN)
        with pytest.raises(ValueError, match="samples must be finite"):
            make_sample_scorer("coverage", on_error="raise")(broken, X_TEST)
        with pytest.warns(UserWarning, match=r"failed and is -1\.5: ValueError"):
            assert make_sample_scorer("coverage", on_error=-1.5)(broken, X_TEST) == -1.5

    def test_of_one_metric_leave_the_others(self):
        scorer = make_sample_scorer(["coverage", "neg_frechet_distance"])
        with pytest.warns(UserWarning, match="more rows than the number of neighbours"):
            scores = scorer(MIXTURE, X_TEST[:4])
        assert np.isnan(scores["coverage"])
        assert np.isfinite(scores["neg_frechet_distance"])

    def test_few_rows_are_warned_of(self):
        with pytest.warns(UserWarning, match="compares 3 rows, fewer than their 4"):
            make_sample_scorer("neg_frechet_distance", n_samples=3)(MIXTURE, X_TEST)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"metrics": "fid"}, ValueError, "one of 'neg_frechet.*Got 'fid'"),
            ({"metrics": []}, ValueError, r"different names, got \(\)"),
            ({"metrics": 3}, ValueError, "or a function. Got 3"),
            ({"metrics": [3]}, ValueError, "or a function. Got 3"),
            ({"metrics": [spread, spread]}, ValueError, r"got \('spread', 'spread'"),
            ({"metrics": [spread, lambda X, Y: 0]}, ValueError, "got <function.*def"),
            ({"metrics": ["coverage", density_coverage]}, ValueError, "got 'density_c"),
            ({"greater_is_better": 1}, TypeError, "greater_is_better.* Got 1"),
            ({"greater_is_better": False}, ValueError, r"got \['coverage'\]. Leave"),
            (
                {"metrics": spread, "metric_params": {"spread": {"k": 3}}},
                ValueError,
                r"\['power'\], got \['k'\]",
            ),
            ({"metrics": ["coverage"] * 2}, ValueError, "different names, got"),
            ({"metrics": "neg_fid"}, ValueError, "got features=None. Pass"),
            ({"metrics": "authenticity"}, ValueError, "got X_train=None"),
            ({"n_samples": 1}, ValueError, "n_samples.* Got 1"),
            ({"n_samples": "all"}, TypeError, "n_samples.* Got 'all'"),
            ({"mean": 1}, TypeError, "mean.* Got 1"),
            ({"on_error": "ignore"}, ValueError, "on_error.* Got 'ignore'"),
            ({"max_cached": -1}, ValueError, "max_cached.* Got -1"),
            ({"random_state": 1.5}, TypeError, "random_state.* Got 1.5"),
            ({"metric_params": {"frechet": {}}}, ValueError, "Got 'frechet'"),
            (
                {"metric_params": {"density_coverage": {"k": 3}}},
                ValueError,
                r"\['n_neighbors'\], got \['k'\]",
            ),
        ],
    )
    def test_of_parameters(self, options, error, message):
        with pytest.raises(error, match=message):
            make_sample_scorer(**{"metrics": "coverage", **options})
