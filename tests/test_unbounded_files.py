"""Files that are short, but name what fills any memory, has no end, or is no data."""

import pytest
from conftest import small
from saved_models import file_of

import skvae


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


def refused(path, match):
    with pytest.raises(ValueError, match=match):
        skvae.load(path)


METHODS = [
    *("skvae.VAE.fit", "skvae.VAE.transform", "skvae.VAE.get_params", "skvae.VAE.save"),
    *("skvae.VAE.latent_density_", "skvae.MLP.make_encoder"),
    *("torch.Linear.forward", "torch.Linear.to", "skvae.AutoencoderModule.encode"),
    *("sklearn.GaussianMixture.score_samples", "skvae.Table.library"),
]


@pytest.mark.parametrize("name", METHODS)
def test_attribute_in_the_place_of_code_is_refused(name, path):
    cls, _, attribute = name.rpartition(".")
    file_of(path, {"object": 0}, [{"class": cls, "state": {attribute: "text"}}])
    refused(path, f"cannot have an attribute '{attribute}'")


LINEAR = {"class": "torch.Linear", "state": {"training": True}}
HUGE = {"range": [0, 10**14, 1]}
INDEX = {"dict": [["range", [0, 1, 1]], ["name", None]]}


def pandas_frame(index, types):
    entries = [["library", "pandas"], ["index", {"dict": index}], ["types", types]]
    return {"frame": {"dict": entries}}


def polars_frame(columns):
    return {"frame": {"dict": [["library", "polars"], ["columns", columns]]}}


LABELS = [["labels", HUGE], ["dtype", "int64"], ["name", None]]
OF_RANGES = [
    *({tag: HUGE} for tag in ("tuple", "set", "dict", "slice", "range", "interval")),
    *({"dict": [HUGE]}, {"scalar": HUGE}, {"random_state": HUGE}, {"frame": HUGE}),
    *({"scalar": ["float64", HUGE]}, {"scalar": ["<U5", HUGE]}),
    *({"scalar": ["float64", [1.0]]}, {"scalar": ["|S1", 10**14]}),
    *(polars_frame(HUGE), polars_frame([["a", {"dict": [["enum", HUGE]]}]])),
    pandas_frame(LABELS, ["float64"]),
    pandas_frame([["tuples", HUGE], ["names", ["a"]]], ["float64"]),
    pandas_frame(INDEX["dict"], [{"dict": [["categories", {"dict": LABELS}]]}]),
]


@pytest.mark.parametrize("value", OF_RANGES, ids=str)
def test_range_is_never_written_out(value, path):
    file_of(path, {"object": 0}, [{"class": "skvae.VAE", "state": {"a": value}}])
    refused(path, "not valid")


DENSITY = {"metric": "euclidean", "metric_params": None, "leaf_size": 2}
OBJECTS_OF_RANGES = [
    {"objects": {"items": HUGE, "shape": [1]}},
    {"class": "torch.Linear", "state": {"_non_persistent_buffers_set": HUGE}},
    *(
        {"class": "sklearn.KernelDensity", "state": {**DENSITY, "tree_": tree}}
        for tree in (HUGE, ["KDTree", HUGE], ["KDTree", [HUGE]])
    ),
]


@pytest.mark.parametrize("written", OBJECTS_OF_RANGES, ids=str)
def test_object_of_a_range_is_refused(written, path):
    file_of(path, {"object": 0}, [written])
    refused(path, "not valid: .* (not made of|something else|is made of)")


def test_range_stays_a_range(path):
    model = small(likelihood=skvae.likelihoods.GaussianLikelihood())
    model.set_params(device=range(3)).save(path)
    assert skvae.load(path).device == range(3)


def chain(n, link):
    """Return objects, each of which is inside the next."""
    first = {"objects": {"items": [], "shape": [0]}}
    return [first, *(link({"object": i}) for i in range(n))]


LINKS = [
    lambda inside: {"objects": {"items": [inside], "shape": [1]}},
    lambda inside: {"class": "skvae.MLP", "state": {"a": inside}},
    lambda inside: {"class": "skvae.MLP", "state": {"a": {"tuple": [[inside]]}}},
]


@pytest.mark.parametrize("link", LINKS)
def test_objects_deep_inside_each_other_are_refused(link, path):
    objects = chain(20_000, link)
    file_of(path, {"object": len(objects) - 1}, objects)
    refused(path, "inside each other as in no model")


def test_modules_with_very_many_places_are_refused(path):
    objects = [LINEAR, LINEAR]
    for i in range(0, 80, 2):
        pairs = [["0", {"object": i}], ["1", {"object": i + 1}]]
        state = {"training": True, "_modules": {"dict": pairs}}
        objects += [{"class": "torch.Sequential", "state": state}] * 2
    parts = {"dict": [["encoder", {"object": len(objects) - 1}]]}
    state = {"training": True, "device": "cpu", "_modules": parts}
    objects.append({"class": "skvae.AutoencoderModule", "state": state})
    file_of(path, {"object": len(objects) - 1}, objects)
    refused(path, "inside each other as in no model")


@pytest.mark.parametrize("row_shape", [None, {"tuple": [10**14]}])
def test_weights_without_a_network_of_the_caller_are_refused(row_shape, path):
    parts = {"dict": [["encoder", {"object": 0}], ["decoder", {"object": 0}]]}
    module = {"training": True, "device": "cpu", "_modules": parts}
    vae = {"_row_shape": row_shape, "_seed": 0, "_parts": {"dict": []}}
    objects = [
        {"class": "skvae.Weights", "state": {"training": True}},
        {"class": "skvae.AutoencoderModule", "state": module},
        {"class": "skvae.VAE", "state": {**vae, "module_": {"object": 1}}},
    ]
    file_of(path, {"object": 2}, objects)
    refused(path, "not valid: nothing makes a network")
