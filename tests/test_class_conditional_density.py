"""A density of each class: against scikit-learn's, closed forms and Bayes' rule."""

import copy
import pickle

import numpy as np
import pytest
from labelled_models import CENTRES, make_classes
from scipy import stats
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.utils import get_tags

from skvae.densities import ClassConditionalDensity, StandardNormal
from skvae.densities._adapter import fit_density, sample_density

Z, Y = make_classes()


@pytest.fixture(scope="module")
def density():
    return ClassConditionalDensity(GaussianMixture(2, random_state=0)).fit(Z, Y)


def of_each_class(Z, y):
    """Return scikit-learn's mixtures of each class, fitted by hand."""
    classes = np.unique(y)
    return [GaussianMixture(2, random_state=0).fit(Z[y == label]) for label in classes]


def test_classes_are_sorted_and_counted(density):
    assert density.classes_.tolist() == ["a", "b", "c"]
    assert density.class_count_.tolist() == [120, 60, 300]
    np.testing.assert_allclose(density.class_prior_, np.array([120, 60, 300]) / 480)
    assert density.n_features_in_ == 2


def test_each_class_has_the_density_of_its_rows(density):
    for label, expected in zip("abc", of_each_class(Z, Y), strict=True):
        scores = expected.score_samples(Z)
        np.testing.assert_allclose(density.score_samples(Z, label), scores)
        of_class = density.of_class(label)
        np.testing.assert_allclose(of_class.score_samples(Z), scores)


def test_a_class_may_be_given_for_each_row(density):
    by_hand = dict(zip("abc", of_each_class(Z, Y), strict=True))
    expected = [by_hand[y].score_samples(z[None])[0] for z, y in zip(Z, Y, strict=True)]
    np.testing.assert_allclose(density.score_samples(Z, Y), expected)


def test_density_of_all_is_the_mixture_by_the_priors(density):
    scores = [part.score_samples(Z) for part in of_each_class(Z, Y)]
    joint = np.stack(scores, 1) + np.log(np.array([120, 60, 300]) / 480)
    np.testing.assert_allclose(density.score_samples(Z), logsumexp(joint, 1))
    assert density.score(Z, Y) == pytest.approx(logsumexp(joint, 1).mean())


def test_density_of_all_integrates_to_one(density):
    axes = np.linspace(-8, 14, 441), np.linspace(-9, 12, 421)
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
    area = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    assert np.exp(density.score_samples(grid)).sum() * area == pytest.approx(1, 1e-3)


def test_probabilities_follow_bayes_rule(density):
    probabilities = density.predict_proba(Z)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    shares = np.array([120, 60, 300]) / 480
    likelihoods = [np.exp(part.score_samples(Z)) for part in of_each_class(Z, Y)]
    expected = np.stack(likelihoods, 1) * shares
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=1e-12)


def test_probabilities_are_those_of_naive_bayes():
    # Diagonal normal densities, each with a variance of 1e-6 more.
    diagonal = GaussianMixture(1, covariance_type="diag", reg_covar=0)
    ours = ClassConditionalDensity(diagonal, priors=[0.2, 0.5, 0.3]).fit(Z, Y)
    theirs = GaussianNB(priors=[0.2, 0.5, 0.3], var_smoothing=0).fit(Z, Y)
    np.testing.assert_allclose(
        ours.predict_proba(Z), theirs.predict_proba(Z), atol=1e-9
    )


def test_probabilities_where_no_class_has_density_are_the_priors():
    narrow = KernelDensity(kernel="tophat", bandwidth=0.5)
    density = ClassConditionalDensity(narrow, priors=[0.2, 0.5, 0.3]).fit(Z, Y)
    far = np.array([[100.0, 100.0]])
    np.testing.assert_array_equal(density.predict_proba(far), [[0.2, 0.5, 0.3]])
    assert density.score_samples(far) == -np.inf


def test_one_class_is_sampled_as_it_was_fitted():
    density = ClassConditionalDensity().fit(Z, Y)
    for label in "abc":
        of_class = density.of_class(label)
        draws = density.sample(4000, label, random_state=1)
        for axis in range(2):
            scale = np.sqrt(of_class.covariance_[axis, axis])
            norm = stats.norm(of_class.mean_[axis], scale)
            assert stats.kstest(draws[:, axis], norm.cdf).pvalue > 1e-3
        correlation = np.corrcoef(draws.T)[0, 1]
        covariance = of_class.covariance_
        exact = covariance[0, 1] / np.sqrt(np.prod(np.diag(covariance)))
        assert abs(correlation - exact) < 4 / np.sqrt(4000)


def nearest_centre(Z):
    centres = np.array([CENTRES[label] for label in "abc"])
    far = np.square(Z[:, None] - 100 * centres).sum(-1)
    return np.array(list("abc"))[far.argmin(1)]


@pytest.fixture(scope="module")
def apart():
    """Return a density whose classes are far from each other."""
    far = Z + 99 * np.array([CENTRES[label] for label in Y])
    return ClassConditionalDensity().fit(far, Y)


@pytest.mark.parametrize("priors", [None, [0.1, 0.6, 0.3]])
def test_classes_are_drawn_by_their_priors(apart, priors):
    density = clone(apart).set_params(priors=priors)
    density.fit(Z + 99 * np.array([CENTRES[label] for label in Y]), Y)
    found = nearest_centre(density.sample(3000, random_state=2))
    counts = [np.sum(found == label) for label in "abc"]
    expected = 3000 * np.array(priors or [120 / 480, 60 / 480, 300 / 480])
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    # In random order: runs of one class are no longer than chance has them.
    assert len(set(found[:30])) > 1


def test_rows_are_drawn_of_the_class_of_each_label(apart):
    y = np.random.default_rng(0).permutation(np.repeat(list("abc"), [5, 50, 200]))
    draws = apart.sample(255, y, random_state=0)
    np.testing.assert_array_equal(nearest_centre(draws), y)
    assert len(np.unique(draws, axis=0)) == 255


def test_classes_have_noise_of_their_own():
    density = ClassConditionalDensity(StandardNormal()).fit(Z, Y)
    draws = density.sample(200, np.repeat(["a", "b"], 100), random_state=0)
    assert abs(np.corrcoef(draws[:100, 0], draws[100:, 0])[0, 1]) < 0.4


def test_draws_are_decided_by_the_seed(density):
    same = [density.sample(20, random_state=3) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], density.sample(20, random_state=4))
    assert not np.array_equal(density.sample(20), density.sample(20))


@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
def test_a_seed_reaches_the_densities_of_the_classes():
    mixture = GaussianMixture(2, init_params="random", max_iter=1)
    codes = np.random.default_rng(0).normal(size=(200, 2))
    y = np.arange(200) % 2
    fits = [
        fit_density(ClassConditionalDensity(mixture), codes, seed, y)
        for seed in (1, 1, 2)
    ]
    first, again, other = (fit.densities_[0].means_ for fit in fits)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    states = {part.random_state for part in fits[0].densities_}
    assert len(states) == 2


class NoFit(BaseEstimator):
    def sample(self, n_samples=1):
        return np.zeros((n_samples, 2))


INVALID = {
    "no labels": ({}, None, ValueError, "requires y to be passed"),
    "all missing": ({}, [None] * 480, ValueError, "needs labels of some rows"),
    "priors": ({"priors": [0.5, 0.5]}, Y, ValueError, r"\['a', 'b', 'c'\].*Got \[0.5"),
    "sum": ({"priors": [0.5, 0.5, 0.1]}, Y, ValueError, "sum of 1. Got"),
    "negative": ({"priors": [1.5, -0.5, 0.0]}, Y, ValueError, "'priors' parameter"),
    "min_samples": ({"min_samples": 0}, Y, ValueError, "'min_samples'.*>= 1. Got 0"),
    "density": ({"density": NoFit()}, Y, TypeError, "'density' parameter.*no usable"),
    "mixture": (
        *({"density": GaussianMixture(0)}, Y, ValueError),
        "'density' parameter.*'n_components'.*Got 0",
    ),
}


@pytest.mark.parametrize(
    ("parameters", "y", "error", "message"), INVALID.values(), ids=INVALID
)
def test_what_is_not_valid_is_refused(parameters, y, error, message):
    with pytest.raises(error, match=message):
        ClassConditionalDensity(**parameters).fit(Z, y)


USES = {
    "sample": lambda density, y: density.sample(3, y),
    "score": lambda density, y: density.score_samples(Z[:3], y),
}
WRONG = {
    "a label": ("d", r"one of the classes \['a', 'b', 'c'\], got 'd'"),
    "in a list": (["a", "b", "d"], r"one of the classes \['a', 'b', 'c'\], got 'd'"),
    "a number": (1, r"one of the classes .*, got 1"),
    "too few": (
        ["a", "b"],
        r"one label for each of 3 rows, but y has the shape \(2,\)",
    ),
    "missing": (["a", None, "b"], "a class for each row, but y has missing labels"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(("y", "message"), WRONG.values(), ids=WRONG)
def test_classes_that_were_not_in_fit_are_refused(density, use, y, message):
    with pytest.raises(ValueError, match=message):
        use(density, y)


def test_a_prior_of_zero_is_never_drawn_and_never_likely(apart):
    density = clone(apart).set_params(priors=[0.0, 0.5, 0.5])
    density.fit(Z + 99 * np.array([CENTRES[label] for label in Y]), Y)
    assert "a" not in nearest_centre(density.sample(200, random_state=0))
    assert (density.predict_proba(np.zeros((3, 2)))[:, 0] == 0).all()


def test_it_is_an_estimator():
    density = ClassConditionalDensity(GaussianMixture(2), priors=[0.2, 0.3, 0.5])
    assert get_tags(density).target_tags.required
    assert clone(density).get_params()["density__n_components"] == 2
    fitted = density.fit(Z, Y)
    loaded = pickle.loads(pickle.dumps(fitted))
    copied = copy.deepcopy(fitted)
    for other in (loaded, copied):
        np.testing.assert_array_equal(other.score_samples(Z), fitted.score_samples(Z))


def test_kernel_densities_are_summed_as_those_of_skvae():
    # scikit-learn's own sums are wrong in many dimensions (tests/test_kernel_density).
    codes = np.random.default_rng(0).normal(size=(400, 16))
    y = np.arange(400) % 2
    density = ClassConditionalDensity(KernelDensity(bandwidth=0.3)).fit(codes, y)
    square = np.square(codes[:5, None] - codes[None, y == 1]).sum(-1)
    log_kernels = -square / (2 * 0.3**2) - 16 * np.log(0.3 * np.sqrt(2 * np.pi))
    expected = logsumexp(log_kernels, 1) - np.log(200)
    np.testing.assert_allclose(density.score_samples(codes[:5], 1), expected, 1e-6)


def test_any_adapter_draws_from_it(density):
    draws = sample_density(density, 50, 0, 2)
    assert draws.shape == (50, 2)
