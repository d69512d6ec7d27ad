import gc
import pickle
import weakref

import numpy as np
import pytest
from torch.nn import functional as F

from skvae._utils.cache import ContentCache, content_key
from skvae.metrics import (
    FIDInceptionV3,
    FrechetStatistics,
    ImageFeatures,
    features,
    fid,
    fid_score,
    frechet_distance,
)


@pytest.fixture(autouse=True)
def fresh():
    """Let no test see the networks and references of another."""
    features._named_network.cache_clear()
    fid._REFERENCES.clear()
    yield
    features._named_network.cache_clear()
    fid._REFERENCES.clear()


def test_cache_is_bounded_and_goes_by_content():
    cache, X = ContentCache(2), np.arange(6.0).reshape(3, 2)
    calls = []

    def value(X, settings=None):
        return cache.get(X, settings, lambda: calls.append(1) or len(calls))

    assert value(X) == value(X.copy()) == value(np.asfortranarray(X)) == 1
    assert value(X, "other") == 2
    assert value(X) == 1
    assert value(X + 1) == 3  # drops the value under "other"
    assert (len(cache), value(X), value(X, "other")) == (2, 1, 4)
    assert len(pickle.loads(pickle.dumps(cache))) == 0
    kept = np.ones((2, 2))
    alive = weakref.ref(kept)
    value(kept)
    del kept
    gc.collect()
    assert alive() is None
    assert content_key(X[:0]) != content_key(X[0, 0]) != content_key(X[:1, 0])
    assert content_key(X) != content_key(X.reshape(2, 3))
    assert content_key(X) != content_key(X.view(np.int64))


@pytest.fixture
def inception(monkeypatch):
    """Stand in for the published weights, with a short but non-trivial network."""
    calls = []

    class Stub(FIDInceptionV3):
        def forward(self, x, tap=2048):
            calls.append(len(x))
            return F.adaptive_avg_pool2d(x, (8, 8)).flatten(1)[:, :40]

    network = Stub()
    loaders = {"inception": (lambda: network, None)}
    monkeypatch.setattr(features, "_NETWORKS", loaders)
    return calls


def two_sets(n=60):
    rng = np.random.RandomState(1)
    X = rng.randint(256, size=(2, n, 16, 16), dtype=np.uint8)
    return X[0], X[1] // 2


@pytest.mark.parametrize("n", [60, 30])  # more rows than features, and fewer
@pytest.mark.filterwarnings("ignore:.*fewer than its 40 features")
def test_fid_score_is_the_distance_of_the_features(inception, n):
    real, generated = two_sets(n)
    embed = ImageFeatures("inception", device="cpu").transform
    expected = frechet_distance(embed(real), embed(generated))
    assert expected > 1
    assert fid_score(real, generated) == pytest.approx(expected, rel=1e-10)
    floats = generated.reshape(n, 256) / 255
    again = fid_score(real.reshape(n, 256), floats, image_shape=(16, 16))
    assert again == pytest.approx(expected, rel=1e-10)
    assert fid_score(real, real) == pytest.approx(0, abs=1e-9)
    statistics = FrechetStatistics.from_data(embed(real))
    assert fid_score(statistics, generated) == pytest.approx(expected, rel=1e-6)


def test_reference_is_embedded_once(inception):
    real, generated = two_sets()
    first = fid_score(real, generated, device="cpu")
    assert sum(inception) == 120
    assert fid_score(real.copy(), generated, device="cpu") == first
    assert sum(inception) == 180
    fid_score(real, generated[:, ::-1], value_range=(0, 300))  # another scale
    assert sum(inception) == 300
    assert len(fid._REFERENCES) == 2


def test_fid_score_names_the_set_that_is_wrong(inception):
    real, generated = two_sets()
    with pytest.raises(ValueError, match="X_generated must have values in"):
        fid_score(real, generated.astype(float))
    with pytest.raises(ValueError, match="X_real must be images, got rows"):
        fid_score(real.reshape(60, -1), generated)
    with pytest.raises(ValueError, match=r"X_real must have .* 2 rows, got 1"):
        fid_score(real[:1], generated)


def test_inception_has_one_size(inception):
    with pytest.raises(ValueError, match=r"size must be None or 299 for .*got 96"):
        ImageFeatures("inception", size=96).fit()


def test_fid_score_wants_weights_and_warns_of_small_sets(inception):
    real, generated = two_sets()
    with pytest.raises(FileNotFoundError, match="no FID weights at absent"):
        fid_score(real, generated, weights="absent")
    with pytest.warns(UserWarning, match="X_generated has 20 rows, fewer than its 40"):
        fid_score(real, generated[:20])


def test_absent_weights_are_explained(monkeypatch, tmp_path):
    monkeypatch.setenv("SKVAE_FID_WEIGHTS", str(tmp_path / "absent.pth"))
    with pytest.raises(FileNotFoundError, match="There are no FID weights"):
        fid_score(*two_sets(4))
