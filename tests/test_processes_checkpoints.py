"""A checkpoint of a fit on several processes, from which all of them go on."""

import numpy as np
import pytest
import torch.distributed as dist
from conftest import make_data, small
from sklearn.base import clone
from test_checkpoints import fit_again, fit_killed
from test_processes import numbers

from skvae import VAE, TwoStageVAE
from skvae.networks import MLP

X = make_data(123, 16)
SECOND = VAE(2, network=MLP((16,)), max_epochs=6)
CASES = {
    "with a schedule": (VAE, {"lr_schedule": "plateau"}),
    "without a seed": (VAE, {"random_state": None}),
    "two stages": (TwoStageVAE, {"second_stage": SECOND}),
}


def killed_and_begun_anew(case, path, n_epochs):
    """Return the numbers of a fit that is killed on the first process and goes on."""
    cls, params = CASES[case]
    params = {"max_epochs": 6, "early_stopping": True, "batch_size": 16, **params}
    model = small(cls, distributed=True, **params)
    expected = numbers(clone(model).fit(X))
    if dist.get_rank() == 0:
        assert fit_killed(model, path, n_epochs, X)
    else:
        with pytest.raises(RuntimeError, match="Killed"):
            fit_killed(model, path, n_epochs, X)
    resumed = fit_again(model, path, X)
    return numbers(resumed), expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "n_epochs"), [*((case, 3) for case in CASES), ("two stages", 9)]
)
def test_all_processes_go_on_to_the_same_bits(group, case, n_epochs, tmp_path):
    path = tmp_path / "run.ckpt"
    found = group(killed_and_begun_anew, case, path, n_epochs)
    assert not path.exists()
    for numbers_here, expected in found:
        for name, value in numbers_here.items():
            np.testing.assert_array_equal(value, found[0][0][name], err_msg=name)
            if case != "without a seed":
                np.testing.assert_array_equal(value, expected[name], err_msg=name)
