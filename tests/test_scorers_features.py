"""Scores of features of the rows."""

import numpy as np
import pytest
import torch
from scored_models import (
    MIXTURE,
    VAE_FITTED,
    X_TEST,
    X_TRAIN,
    Counting,
    CountingFeatures,
)
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

from skvae import make_sample_scorer, metrics
from skvae.scorers import get_scorer


class TestFeatures:
    def test_see_the_reference_once_and_the_samples_once(self):
        features = CountingFeatures()
        names = ["neg_frechet_distance", "coverage", "prd_f_8", "neg_mmd"]
        scorer = make_sample_scorer(names, features=features, n_samples=40)
        scorer(MIXTURE, X_TEST)
        assert sorted(features.shapes) == [(40, 4), (80, 4)]
        scorer(VAE_FITTED, X_TEST.copy())
        assert features.shapes.count((80, 4)) == 1
        assert features.shapes.count((40, 4)) == 2

    @pytest.mark.parametrize("max_cached", [0, 8])
    @pytest.mark.parametrize("wrap", [lambda f: f, FunctionTransformer])
    @pytest.mark.parametrize("changed", [100.0, 1.001, -1.0])
    def test_that_change_between_calls_map_the_reference_again(
        self, wrap, changed, max_cached
    ):
        weights = np.ones(4)
        scorer, fresh = (
            make_sample_scorer(
                "neg_frechet_distance",
                features=wrap(lambda X: X * weights),
                max_cached=m,
            )
            for m in (max_cached, 0)
        )
        scorer(MIXTURE, X_TEST)
        weights[0] = changed
        assert scorer(MIXTURE, X_TEST) == fresh(MIXTURE, X_TEST)
        weights[0] = 1
        assert scorer(MIXTURE, X_TEST) == fresh(MIXTURE, X_TEST)

    @pytest.mark.parametrize(
        "features",
        [
            lambda X: X - X.mean(axis=0),
            lambda X: X + np.random.default_rng().normal(size=X.shape),
            lambda X: X if len(X) > 30 else 1 / 0,
            lambda X: X if len(X) > 30 else X[:, :2],
        ],
        ids=["of the batch", "noise", "fails for few rows", "narrow for few rows"],
    )
    def test_that_map_rows_together_are_not_kept(self, features):
        n_rows = []

        def counted(X):
            n_rows.append(len(X))
            return features(X)

        scorer = make_sample_scorer("coverage", features=counted, n_samples=40)
        assert scorer(MIXTURE, X_TEST) > 0.3
        assert scorer(MIXTURE, X_TEST) > 0.3
        assert n_rows.count(80) == 2

    def test_of_the_rows_used_last_are_kept(self):
        features = CountingFeatures()
        scorer = make_sample_scorer("coverage", features=features, max_cached=2)
        for n in (80, 70, 80, 60, 80):
            scorer(Counting().fit(X_TRAIN), X_TEST[:n])
        assert features.shapes.count((80, 4)) == 1 + 3  # rows, and samples

    def test_that_round_by_the_size_of_the_batch_are_kept(self):
        n_rows = []

        def features(X):  # as networks in float32 do
            n_rows.append(len(X))
            return X * (1 + 1e-9 * len(X))

        scorer = make_sample_scorer("coverage", features=features, n_samples=40)
        assert scorer(MIXTURE, X_TEST) == scorer(MIXTURE, X_TEST)
        assert n_rows.count(80) == 1

    def test_may_be_a_fitted_transformer(self):
        pca = PCA(2).fit(X_TRAIN)
        plain, mapped = (
            make_sample_scorer("neg_frechet_distance", features=f) for f in (None, pca)
        )
        assert plain(MIXTURE, X_TEST) != mapped(MIXTURE, X_TEST)

    def test_keep_the_shape_of_images(self):
        images = X_TEST.reshape(-1, 1, 2, 2)
        seen = []

        def features(X):
            seen.append(X.shape)
            return X.mean(axis=(2, 3)) + np.zeros((1, 2))

        make_sample_scorer("coverage", features=features)(VAE_FITTED, images)
        assert {shape[1:] for shape in seen} == {(1, 2, 2)}

    def test_that_lose_rows_are_refused(self):
        scorer = make_sample_scorer(
            "coverage", features=lambda X: X[:3], on_error="raise"
        )
        with pytest.raises(ValueError, match=r"each of the 80 rows of .*, got 3"):
            scorer(MIXTURE, X_TEST)

    @pytest.mark.parametrize("name", ["neg_fid", "neg_kid"])
    def test_of_inception_may_be_named_or_given(self, name):
        images = metrics.ImageFeatures("inception", image_shape=(2, 2))
        make_sample_scorer(name, features=images)
        assert "features='inception'" in repr(get_scorer(name))
        with pytest.raises(ValueError, match="needs Inception features, got"):
            make_sample_scorer(name, features="efficientnet-lite0")

    def test_may_be_a_network(self):
        pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        features = metrics.ImageFeatures(
            pool, image_shape=(2, 2), value_range=(-9, 15), clip=True
        )
        scorer = make_sample_scorer("neg_mmd", features=features, on_error="raise")
        assert np.isfinite(scorer(MIXTURE, X_TEST))

    def test_of_another_kind_are_refused(self):
        with pytest.raises(TypeError, match=r"or a callable, got 3 \(a int\)"):
            make_sample_scorer("coverage", features=3)
