"""NumPy's integers are taken for integers, in every parameter and argument."""

import numpy as np
import pytest
import torch
from conftest import assert_same, make_data, outputs, small
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import (
    IWAE,
    RAE,
    VAE,
    TwoStageVAE,
    datasets,
    evaluate,
    losses,
    make_sample_scorer,
    metrics,
)
from skvae._utils.validation import plain
from skvae.densities import StandardNormal
from skvae.evaluation import evaluate_likelihood
from skvae.likelihoods import DiscretizedLogisticLikelihood
from skvae.networks import MLP, ConvNet, InfoGANNet, RAENet, ResNet, WAENet
from skvae.pipeline import sample_pipeline
from skvae.plotting import (
    InterpolationDisplay,
    LatentSpaceDisplay,
    NearestNeighbourDisplay,
    PerplexityDisplay,
    ReconstructionDisplay,
    SampleGridDisplay,
)
from skvae.posteriors import FlowPosterior

KINDS = [np.uint8, np.int8, np.int64]
X = make_data(300, 4)
IMAGES = make_data(40, 64).reshape(-1, 8, 8)
Y = make_data(120, 4, seed=1)

MODELS = {
    "VAE": lambda n: VAE(
        n_components=n(3),
        batch_size=n(50),
        max_epochs=n(3),
        n_samples=n(2),
        verbose=n(0),
        random_state=n(5),
        network=MLP(hidden_layer_sizes=(n(120), n(7))),
    ),
    "early stopping": lambda n: VAE(
        2, max_epochs=n(100), n_iter_no_change=n(1), early_stopping=True, random_state=0
    ),
    "IWAE": lambda n: small(IWAE, n_importance_samples=n(120), batch_size=n(64)),
    "RAE": lambda n: small(RAE, n_components=n(16), random_state=n(1)),
    "two stages": lambda n: TwoStageVAE(
        n(2),
        max_epochs=n(120),
        batch_size=n(100),
        early_stopping=True,
        n_iter_no_change=n(1),
        second_stage=VAE(n(2), network=MLP((n(8),)), batch_size=n(90), max_epochs=n(3)),
        random_state=n(3),
    ),
    "flows": lambda n: small(
        posterior=FlowPosterior(kind="autoregressive", n_flows=n(2), n_hidden=n(127))
    ),
    "planar": lambda n: small(
        posterior=FlowPosterior(n_flows=n(30)), batch_size=n(100)
    ),
    "levels": lambda n: small(likelihood=DiscretizedLogisticLikelihood(n(127))),
    "mixture": lambda n: small(latent_density=GaussianMixture(n(2), random_state=n(1))),
}
NETWORKS = {
    "ConvNet": lambda n: ConvNet(
        (n(2), n(3)), kernel_size=n(3), image_shape=(n(16), 16)
    ),
    "ResNet": lambda n: ResNet(n(3), n_scales=n(2), n_blocks=n(1), n_hidden=n(100)),
    "InfoGANNet": lambda n: InfoGANNet(base_channels=n(2)),
    "WAENet": lambda n: WAENet(base_channels=n(2), first_stride=n(1)),
    "RAENet": lambda n: RAENet(base_channels=n(2)),
}
for _name, _make in NETWORKS.items():
    MODELS[_name] = lambda n, make=_make: small(network=make(n), max_epochs=1)


def data_of(name):
    if name in NETWORKS:
        return make_data(20, 256).reshape(-1, 16, 16)
    return np.round(126 * X) / 126 if name == "levels" else X


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_fits_are_the_same(name, kind):
    rows = data_of(name)
    expected, model = (MODELS[name](n).fit(rows) for n in (int, kind))
    assert_same(outputs(model, rows), outputs(expected, rows))
    for entry, values in expected.history_.items():
        np.testing.assert_array_equal(model.history_[entry], values)


@pytest.mark.parametrize("name", MODELS)
def test_fits_go_on_where_an_integer_changes_its_type(name):
    rows = data_of(name)
    model, other = MODELS[name](int).fit(rows), MODELS[name](np.int64)
    model.set_params(**other.get_params(deep=False)).partial_fit(rows)
    expected = MODELS[name](int).fit(rows).partial_fit(rows)
    assert_same(outputs(model, rows), outputs(expected, rows))


def test_a_search_takes_its_integers_from_an_array():
    grid = {"batch_size": np.array([32, 64]), "n_components": np.array([1, 2])}
    search = GridSearchCV(VAE(2, max_epochs=1, random_state=0), grid, cv=2).fit(X)
    plain_grid = {name: values.tolist() for name, values in grid.items()}
    expected = GridSearchCV(search.estimator, plain_grid, cv=2).fit(X)
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(
            search.cv_results_[name], expected.cv_results_[name]
        )


@pytest.fixture(scope="module")
def model():
    return small(network=MLP((8,))).fit(X)


@pytest.fixture(scope="module")
def images():
    return small().fit(IMAGES)


def losses_of(model, n):
    generator = torch.Generator().manual_seed(0)
    loss, options = losses.vae_loss, {"n_samples": n(120)}
    terms = loss(model.module_, torch.tensor(X), generator=generator, **options)
    terms |= losses.iwae_loss(
        model.module_,
        torch.tensor(X),
        generator=generator,
        n_importance_samples=n(120),
    )
    return [t.detach().numpy() for t in terms.values()]


def features_of(n):
    network = torch.nn.Flatten()
    return metrics.ImageFeatures(network, batch_size=n(7), image_shape=(n(8), n(8)))


CALLS = {
    "sample": lambda m, n: m.sample(n(120), mean=False, random_state=n(3)),
    "score_samples": lambda m, n: m.score_samples(X, n_importance_samples=n(120)),
    "sample_pipeline": lambda m, n: sample_pipeline(
        make_pipeline(StandardScaler(), small(random_state=n(1))).fit(X),
        n(120),
        random_state=n(4),
    ),
    "losses": losses_of,
    "evaluate": lambda m, n: [
        row[1:5]
        for row in evaluate(
            m, X, Y, n_samples=n(100), n_bootstrap=n(3), random_state=n(2)
        ).rows
    ],
    "evaluate_likelihood": lambda m, n: evaluate_likelihood(
        m, Y, n_importance_samples=n(120)
    ),
    "scorer": lambda m, n: list(
        make_sample_scorer(
            ["neg_mmd", "coverage"],
            n_samples=n(100),
            max_cached=n(2),
            random_state=n(2),
            metric_params={"density_coverage": {"n_neighbors": n(4)}},
        )(m, Y).values()
    ),
    "StandardNormal": lambda m, n: (
        StandardNormal().fit(X).sample(n(120), random_state=n(1))
    ),
    "EightGaussians": lambda m, n: datasets.EightGaussians().sample(
        n(120), random_state=n(1)
    ),
    "TwoSpirals": lambda m, n: datasets.TwoSpirals().sample(n(120), random_state=n(1)),
    "Checkerboard": lambda m, n: datasets.Checkerboard().sample(
        n(120), random_state=n(1)
    ),
    "mmd": lambda m, n: metrics.maximum_mean_discrepancy(
        X, Y, n_permutations=n(120), random_state=n(1)
    ),
    "posterior_mmd": lambda m, n: metrics.aggregated_posterior_mmd(
        X, n_prior=n(100), n_permutations=n(3), random_state=n(1)
    ),
    "prd": lambda m, n: metrics.precision_recall_distribution(
        X[:120], Y, n_clusters=n(20), n_angles=n(101), n_runs=n(2), random_state=n(1)
    ),
    "improved": lambda m, n: metrics.improved_precision_recall(X, Y, n_neighbors=n(3)),
    "density": lambda m, n: metrics.density_coverage(X, Y, n_neighbors=n(5)),
    "kernel": lambda m, n: metrics.kernel_distance(
        X, Y, n_subsets=n(100), subset_size=n(100), random_state=n(1)
    ),
    "copying": lambda m, n: metrics.data_copying_test(
        X, Y, make_data(200, 4, seed=2), n_cells=n(3), random_state=n(1)
    ),
    "bits": lambda m, n: metrics.bits_per_dimension(10.0, n(120)),
    "extrapolation": lambda m, n: metrics.frechet_distance_infinity(
        X, Y, n_sizes=n(5), min_size=n(100), random_state=n(1)
    ),
    "features": lambda m, n: features_of(n).transform(IMAGES),
}
PICTURES = {
    "samples": lambda m, n: SampleGridDisplay.from_estimator(
        m, n_samples=n(120), n_columns=n(11), random_state=n(1)
    ).im_.get_array(),
    "reconstructions": lambda m, n: ReconstructionDisplay.from_estimator(
        m, IMAGES, n_images=n(12), n_columns=n(5)
    ).im_.get_array(),
    "interpolations": lambda m, n: InterpolationDisplay.from_estimator(
        m, np.repeat(IMAGES, 8, 0), n_paths=n(127), n_steps=n(3)
    ).im_.get_array(),
    "neighbours": lambda m, n: NearestNeighbourDisplay.from_estimator(
        m, IMAGES, n_samples=n(4), n_neighbours=n(3), random_state=n(1)
    ).im_.get_array(),
    "latent space": lambda m, n: (
        LatentSpaceDisplay.from_predictions(
            X, None, n_points=n(100), n_ellipses=n(3), random_state=n(1)
        )
        .ax_.collections[0]
        .get_offsets()
    ),
    "perplexity": lambda m, n: [
        bar.get_xy()
        for bar in PerplexityDisplay.from_predictions(
            np.linspace(1, 9, 50), n_train=n(100), n_bins=n(127)
        ).ax_.patches
    ],
}


def assert_equal(actual, expected):
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_equal(a, b)
    else:
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_calls_return_the_same(name, kind, model):
    assert_equal(CALLS[name](model, kind), CALLS[name](model, int))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_the_same(name, kind, images):
    plt = pytest.importorskip("matplotlib.pyplot")
    assert_equal(PICTURES[name](images, kind), PICTURES[name](images, int))
    plt.close("all")


def test_plain_goes_into_tuples_and_lists_only():
    values = [np.uint8(1), (np.int64(2), "a"), [np.int32(3), [np.int8(4)]], True, None]
    assert plain(values) == [1, (2, "a"), [3, [4]], True, None]
    assert type(plain(np.int64(3))) is int
    array = np.arange(3)
    assert plain(array) is array
