"""Parts that do not fit a file, and what no file can hold, are refused by name."""

import warnings

import pytest
from conftest import assert_same, make_data, outputs, small
from own_parts import (
    OwnDensity,
    OwnLikelihood,
    OwnPosterior,
    halve,
    make,
    make_wider,
    own_network,
    second,
)
from sklearn.neighbors import KernelDensity
from torch import nn

import skvae
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import CustomNetwork
from skvae.posteriors import DiagonalPosterior


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


def saved(path, **params):
    model = small(**params).fit(make_data())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def test_missing_parts_are_named(path):
    saved(path, network=own_network(), lr_schedule=halve)
    with pytest.raises(ValueError, match=r"not hold 'lr_schedule' \(function\)\."):
        skvae.load(path, parts={"network": own_network()})
    with pytest.raises(ValueError, match=r"\(function\), 'network' \(CustomNetwork\)"):
        skvae.load(path)


def test_parts_that_the_file_holds_are_refused(path):
    saved(path)
    with pytest.raises(ValueError, match="holds 'network' itself"):
        skvae.load(path, parts={"network": own_network()})


def test_parts_must_be_a_dict(path):
    saved(path, network=own_network())
    with pytest.raises(TypeError, match=r"must be a dict.*CustomNetwork"):
        skvae.load(path, parts=own_network())


def test_network_of_other_shapes_is_refused(path):
    saved(path, network=own_network())
    shapes = r"encoder.*0\.weight has shape \(9, 5\) here and \(7, 5\) there"
    with pytest.raises(ValueError, match=shapes):
        skvae.load(path, parts={"network": own_network(make_wider)})


def test_network_of_other_layers_is_refused(path):
    saved(path, network=own_network())
    other = CustomNetwork(encoder=make, decoder=nn.Linear)
    with pytest.raises(ValueError, match=r"decoder.*shape none (here|.*there)"):
        skvae.load(path, parts={"network": other})


def test_network_that_is_none_is_refused(path):
    saved(path, network=own_network())
    with pytest.raises(ValueError, match="'network' parameter must be"):
        skvae.load(path, parts={"network": 3})


@pytest.mark.parametrize(
    ("name", "part", "other"),
    [
        ("likelihood", OwnLikelihood(), GaussianLikelihood()),
        ("posterior", OwnPosterior(), DiagonalPosterior()),
        ("latent_density", OwnDensity(), second()),
    ],
)
def test_part_of_another_class_is_refused(name, part, other, path):
    saved(path, **{name: part})
    kind = type(part).__name__
    with pytest.raises(ValueError, match=rf"^parts\['{name}'\] must be.*{kind}"):
        skvae.load(path, parts={name: other})


class WithFunction(OwnDensity):
    """A density that learns something that is no data."""

    def fit(self, X, y=None):
        self.function_ = lambda x: x
        return super().fit(X)


class WithSlots:
    """An object that has more than attributes."""

    __slots__ = ("a",)


class WithObject(OwnDensity):
    """A density that learns an object of another class."""

    def fit(self, X, y=None):
        self.inner_ = WithSlots()
        return super().fit(X)


@pytest.mark.parametrize(
    ("density", "found"),
    [
        (WithFunction(), r"_density\.function_ .*skvae does not know function as data"),
        (WithObject(), r"_density\.inner_ .*skvae does not know WithSlots as data"),
    ],
)
def test_what_is_no_data_is_named_before_anything_is_written(density, found, X, path):
    path.write_bytes(b"before")
    model = small(latent_density=density).fit(X)
    with pytest.raises(TypeError, match=rf"(?s)VAE cannot be saved.*{found}.*joblib"):
        model.save(path)
    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]


def test_hook_of_a_module_is_named(X, path):
    model = small().fit(X)
    model.module_.encoder.register_forward_hook(lambda *_: None)
    with pytest.raises(TypeError, match=r"module_\._modules\.encoder.*has hooks"):
        model.save(path)


def test_compiled_network_is_saved_without_what_was_compiled(X, path):
    model = small().fit(X)
    before = outputs(model, X)
    model.module_.encoder.compile()
    model.save(path)
    assert_same(outputs(skvae.load(path), X), before)


def test_density_whose_parameters_have_changed_since_it_was_fitted_is_named(X, path):
    model = small(latent_density=KernelDensity()).fit(X)
    model.latent_density_.set_params(leaf_size=3)
    with pytest.raises(TypeError, match=r"_density .*changed since it was fitted"):
        model.save(path)
    assert not path.exists()
