"""The rules of `regularized_autoencoders.py`, judged on what Ghosh et al. print."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from judged_claims import claim_of, judged

sys.path.append(str(Path(__file__).parents[1] / "examples" / "papers"))

import _images
import _interpolations as interpolations
import _regularized as tables
import regularized_autoencoders as rae
from _runner import Cell, Job

# Table 1, FIDs.
GHOSH = {
    data: {
        name: {
            "reconstructions": rec,
            "N(0, I)": n if name in ("VAE", "WAE") else 1000.0,
            "one normal": 1000.0 if name in ("VAE", "WAE") else n,
            "mixture": mixture,
            "midpoints": midpoints,
        }
        for name, (rec, n, mixture, midpoints) in published.items()
    }
    for data, published in tables.PUBLISHED.items()
}
RAE = {data: SimpleNamespace(CLAIMS=tables.claims_of(data)) for data in GHOSH}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (data, text)
        for data in GHOSH
        for text in (
            "table 1: the mixture",
            "table 1: models with",
            "table 1: RAE and AE",
            "table 1: none of",
            "table 1: one normal density",
            "table 1: RAE-SN",
        )
        if (data, text) != ("CIFAR-10", "table 1: one normal density")
    ],
)
def test_what_ghosh_et_al_print_passes_their_own_claims(data, text):
    value, verdict = judged(RAE[data], text, GHOSH[data])
    printed = re.search(r"[\d.]+", claim_of(RAE[data], text).published).group()
    assert value == pytest.approx(float(printed), abs=0.006)
    assert verdict == "reproduced"


def test_ae_is_not_said_to_need_a_mixture_on_cifar():
    starts = [claim.text[:29] for claim in RAE["CIFAR-10"].CLAIMS]
    assert "table 1: one normal density f"[:29] not in starts


def test_midpoints_beyond_column_n_do_not_count():
    figures = GHOSH["MNIST"] | {"AE": GHOSH["MNIST"]["AE"] | {"midpoints": 60.0}}
    value, verdict = judged(RAE["MNIST"], "table 1: models with", figures)
    assert (value, verdict) == (5, "not reproduced")


def test_a_model_that_still_learns_is_not_at_its_end():
    for half, verdict in ((0.0201, "reproduced"), (0.025, "not reproduced")):
        errors = {"RAE-SN": 0.02, "RAE-SN, 0.5 of the epochs": half}
        figures = {name: {"squared error": error} for name, error in errors.items()}
        found = judged(RAE["MNIST"], "RAE-SN is trained", figures)
        assert found == (pytest.approx(0.02 / half), verdict)


def test_the_sweeps_are_of_mnist_and_every_model_of_both():
    sizes = rae.SCALES["cpu"]
    mnist, cifar = (rae.cells_of(data, sizes) for data in GHOSH)
    assert list(mnist)[:8] == list(cifar) == list(tables.MODELS)
    assert mnist["RAE-SN"]["epochs"] == 240
    assert mnist["RAE-SN, 0.25 of the epochs"]["epochs"] == 60
    full = rae.cells_of("MNIST", rae.SCALES["full"])
    assert full["RAE-SN"]["epochs"] == full["AE"]["epochs"] == 100


@pytest.mark.slow
@pytest.mark.parametrize("layer", [16, None])
def test_colours_go_through_the_script(layer, tmp_path, monkeypatch):
    def load(subset, data_home):
        rng = np.random.default_rng(len(subset))
        target = rng.integers(10, size=80)
        data = rng.integers(256, size=(80, 3072), dtype=np.uint8)
        return SimpleNamespace(data=data, target=target)

    monkeypatch.setitem(_images.LOADERS, "CIFAR-10", load)
    sizes = {"n_train": 80, "n_samples": 80, "epochs": 1, "layer": layer}
    cell = Cell("RAE-L2", rae.cells_of("CIFAR-10", sizes)["RAE-L2"], 0)
    figures = rae.compute(cell, Job("cpu", tmp_path))
    assert np.shape(figures["steps"])[-3:] == (3, 32, 32)
    assert 0 < figures["squared error"] < 1
    assert len(list(tmp_path.glob("*.png"))) == 3
    model = rae.make_model(cell.settings, 0)
    assert model.n_components == 128
    _images.load_images.cache_clear()
    _images.judge_of.cache_clear()


def test_the_largest_share_of_copies_decides():
    figures = {name: {"nearer to train": 0.5} for name in rae.MODELS}
    assert judged(RAE["MNIST"], "appendix E", figures) == (0.5, "reproduced")
    figures["AE"]["nearer to train"] = 0.9
    assert judged(RAE["MNIST"], "appendix E", figures) == (0.9, "not reproduced")


def test_a_picture_has_a_row_for_each_model_and_path():
    figures = {
        name: {
            "starts": np.full((2, 1, 4, 4), i),
            "steps": np.full((2, 3, 1, 4, 4), i),
            "ends": np.full((2, 1, 4, 4), i),
        }
        for i, name in enumerate(("VAE", "RAE"))
    }
    (ax,) = interpolations.figure_of_paths(figures).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["VAE", "RAE", "VAE", "RAE"]
    rows = [ax.images[0].get_array()[round(y), 1] for y in ax.get_yticks()]
    assert np.ravel(rows).tolist() == [0, 1, 0, 1]
