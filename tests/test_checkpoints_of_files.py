"""A checkpoint of a fit to rows that are read by blocks."""

import h5py
import numpy as np
import pytest
from conftest import assert_same, make_data, outputs, small
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from test_checkpoints import fit_again, fit_killed

from skvae import VAE, TwoStageVAE
from skvae.networks import MLP

X = make_data(300, 8).astype(np.float32)
MODELS = {
    "early stopping": (VAE, {"early_stopping": True, "lr_schedule": "plateau"}),
    "without a seed": (VAE, {"random_state": None}),
    "mixture": (VAE, {"latent_density": GaussianMixture(2)}),
    "two stages": (TwoStageVAE, {"second_stage": VAE(2, network=MLP((8,)))}),
}


@pytest.fixture
def rows(tmp_path, small_blocks):
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        yield file.create_dataset("rows", data=X, chunks=(10, 8))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_call_goes_on_to_the_same_bits(name, rows, tmp_path):
    cls, params = MODELS[name]
    model = small(cls, **{"max_epochs": 5, **params})
    path = tmp_path / "run.ckpt"
    assert fit_killed(model, path, 3, rows)
    resumed = fit_again(model, path, rows)
    assert resumed.n_epochs_ == 5
    assert not path.exists()
    if name != "without a seed":
        assert_same(outputs(resumed, X), outputs(clone(model).fit(rows), X))


@pytest.mark.parametrize("row", [0, 7, 211, 299])
def test_a_file_with_another_value_is_refused(row, rows, tmp_path):
    model = small(max_epochs=5)
    assert fit_killed(model, tmp_path / "run.ckpt", 3, rows)
    rows[row, 3] += 1e-3
    with pytest.raises(ValueError, match="X=rows of shape"):
        fit_again(model, tmp_path / "run.ckpt", rows)
