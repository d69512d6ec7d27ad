"""Everything that a model may be made of can be exported."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import (
    IMAGE_NETWORKS,
    LIKELIHOODS,
    NETWORKS,
    POSTERIORS,
    describe,
    make_data,
    small,
    small_estimators,
)
from exported import assert_close, assert_exported
from scipy.special import ndtr

from skvae.export import _decompositions, to_exported_program

SLOW = pytest.mark.slow
EVERYTHING = [
    *small_estimators(),
    *(small(likelihood=likelihood) for likelihood in LIKELIHOODS),
    *(small(posterior=posterior) for posterior in POSTERIORS),
    *(small(network=network) for network in NETWORKS),
]


@SLOW
@pytest.mark.parametrize("estimator", EVERYTHING, ids=describe)
def test_every_part_can_be_exported(estimator, tmp_path):
    X = make_data(100)
    if not isinstance(estimator.likelihood, str) and estimator.likelihood.discrete:
        X = np.round(X * 5) if estimator.likelihood.support is None else X
    model = estimator.fit(X)
    assert_exported(model, X, "reconstruct", tmp_path, sizes=(1, 100), dtype=X.dtype)


@SLOW
@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_networks_of_images_can_be_exported(network, tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (40, 3, 17, 16)).astype(np.uint8)
    model = small(network=network, max_epochs=1).fit(X)
    assert_exported(model, X, "reconstruct", tmp_path, sizes=(1, 7), dtype="uint8")


LOADED = """
import sys
import torch
program = torch.export.load({path!r}).module()
Z = program(torch.load({rows!r}))
assert not any(name.split(".")[0] in ("skvae", "sklearn") for name in sys.modules)
torch.save(Z, {codes!r})
"""


@SLOW
def test_a_program_runs_where_there_is_no_skvae(fitted, X, tmp_path):
    model, rows = fitted, X.copy()
    paths = {n: str(tmp_path / n) for n in ("program.pt2", "rows.pt", "codes.pt")}
    torch.export.save(to_exported_program(model), paths["program.pt2"])
    torch.save(torch.from_numpy(rows), paths["rows.pt"])
    names = dict(zip(("path", "rows", "codes"), paths.values(), strict=True))
    command = [sys.executable, "-c", LOADED.format(**names)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert_close(torch.load(paths["codes.pt"]).numpy(), model.transform(rows))


def test_the_normal_distribution_function_has_the_digits_of_its_tail():
    x = np.concatenate([np.linspace(-37, 37, 10001), [-np.inf, np.inf, 0.0]])
    got = _decompositions.ndtr(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, ndtr(x), rtol=1e-12, atol=1e-200)
    assert np.isnan(_decompositions.ndtr(torch.tensor([torch.nan]))).all()


@pytest.mark.parametrize("right", [False, True])
def test_places_among_edges_are_those_of_numpy(right):
    rng = np.random.default_rng(0)
    edges = np.sort(rng.integers(0, 9, (3, 7)), axis=1).astype(np.float32)
    values = rng.integers(-1, 10, (3, 50)).astype(np.float32)
    got = _decompositions.searchsorted(*map(torch.tensor, (edges, values)), right=right)
    side = "right" if right else "left"
    for row, found, e in zip(values, got.numpy(), edges, strict=True):
        np.testing.assert_array_equal(found, np.searchsorted(e, row, side))
