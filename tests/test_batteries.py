"""What is exported is tested: the lists of conftest.py leave nothing out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import (
    DENSITIES,
    ESTIMATORS,
    IMAGE_NETWORKS,
    LIKELIHOODS,
    NETWORKS,
    POSTERIORS,
    VARIANTS,
    Framed,
    describe,
    public_classes,
    small,
    small_variants,
)
from hypothesis import settings
from labelled_models import LABELLED_DENSITIES, small_labelled_estimators

import skvae
from skvae import BaseAutoencoder, densities, likelihoods, networks, posteriors
from skvae.likelihoods import Likelihood
from skvae.networks import MLP, Network
from skvae.posteriors import Posterior

ROOMS = [
    (skvae, BaseAutoencoder),
    (likelihoods, Likelihood),
    (posteriors, Posterior),
    (networks, Network),
    (densities, object),
]


def exported(room, base):
    values = [getattr(room, name) for name in room.__all__]
    return [v for v in values if isinstance(v, type) and issubclass(v, base)]


@pytest.mark.parametrize(("room", "base"), ROOMS, ids=lambda v: v.__name__)
def test_only_base_classes_are_left_out(room, base):
    classes = exported(room, base)
    for left_out in set(classes) - set(public_classes(room, base)):
        assert any(issubclass(c, left_out) for c in classes if c is not left_out)


def test_every_class_is_in_its_list_and_every_part_in_the_battery():
    parts = [*LIKELIHOODS, *POSTERIORS, *NETWORKS, *DENSITIES, *LABELLED_DENSITIES]
    parts += [part.network for part in NETWORKS if isinstance(part, Framed)]
    tested = {*map(type, parts), *ESTIMATORS}
    for room, base in ROOMS:
        missing = set(public_classes(room, base)) - tested
        assert not [c for c in missing if not getattr(c, "deterministic", False)]
    variants = [*small_variants(), *small_labelled_estimators()]
    in_battery = {value for v in variants for value in v.get_params().values()}
    assert {p for p in parts if p is not None} <= in_battery


def test_a_new_class_joins_its_list():
    class New(MLP):
        pass

    names = {"Network": Network, "MLP": MLP, "New": New}
    room = SimpleNamespace(__all__=list(names), **names)
    assert public_classes(room, Network) == [MLP, New]


def test_variants_are_of_classes_that_exist():
    known = {c.__name__ for room, base in ROOMS for c in exported(room, base)}
    assert VARIANTS.keys() <= known


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_a_framed_network_of_images_is_that_network_on_padded_rows(network):
    rng = torch.Generator
    frame, inner = Framed(network), type(network)(**network.get_params())
    inner.image_shape = (9, 9)
    x = torch.rand((4, 7), generator=rng().manual_seed(1))
    z = torch.rand((4, 2), generator=rng().manual_seed(2))
    padded = torch.cat([x, torch.zeros(4, 74)], 1)
    one = frame.make_encoder(7, 3, rng().manual_seed(0))(x)
    assert torch.equal(one, inner.make_encoder(81, 3, rng().manual_seed(0))(padded))
    one = frame.make_decoder(2, 7, rng().manual_seed(0))(z)
    two = inner.make_decoder(2, 81, rng().manual_seed(0))(z)
    assert torch.equal(one, two[:, :7])


def test_small_estimators_share_no_parts():
    one, two = small(), small()
    assert one.network is not two.network
    np.testing.assert_equal(one.network.get_params(), two.network.get_params())


def test_examples_of_hypothesis_are_the_same_in_every_run(pytestconfig):
    random = pytestconfig.getoption("--hypothesis-profile") == "random"
    assert settings().derandomize is not random
    assert settings().deadline is None
