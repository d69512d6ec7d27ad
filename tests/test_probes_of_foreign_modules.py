"""What is seen of the user's own encoders and decoders before they are trained."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_data, small
from test_foreign_modules import BOTH, Ends, normalised
from torch import nn

from skvae.networks import CustomNetwork

X = make_data(40, 5)


class Batchwise(nn.Module):
    """A module that standardises by the batch, in evaluation, too."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, x):
        return self.layer((x - x.mean(0)) / (x.std(0) + 1e-3))


class Counting(nn.Linear):
    """A module whose output depends on how often it has been called."""

    n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        return (1 + 0.1 * self.n_calls) * super().forward(x)


class InPlace(nn.Linear):
    """A module that changes its input."""

    def forward(self, x):
        x.mul_(0.5).add_(1.0)
        return super().forward(x)


class OutOfPlace(nn.Linear):
    """The same, with a copy."""

    def forward(self, x):
        return super().forward(x * 0.5 + 1.0)


def network_of(side, maker, cls=CustomNetwork):
    return cls(**{"encoder": nn.Linear, "decoder": nn.Linear, side: maker})


def traced(n_in, n_out):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        return torch.jit.trace(nn.Linear(n_in, n_out), torch.zeros(2, n_in))


REFUSED = {
    "integers": (lambda i, o: Ends(i, o, torch.Tensor.long), "of torch.int64"),
    "booleans": (lambda i, o: Ends(i, o, lambda h: h > 0), "of torch.bool"),
    "complex": (lambda i, o: Ends(i, o, lambda h: h + 0j), "of torch.complex64"),
    "sparse": (lambda i, o: Ends(i, o, torch.Tensor.to_sparse), "of torch.sparse_coo"),
    "detached": (lambda i, o: Ends(i, o, torch.Tensor.detach), "no gradient"),
    "NumPy": (
        lambda i, o: Ends(i, o, lambda h: torch.from_numpy(h.detach().numpy())),
        "no gradient",
    ),
    "NaN": (lambda i, o: Ends(i, o, lambda h: h / 0), "must return finite"),
    "float64": (lambda i, o: nn.Linear(i, o).double(), "torch.float64. Call its"),
    "float16": (lambda i, o: nn.Linear(i, o).half(), "torch.float16. Call its"),
    "traced": (traced, "Pass the module itself"),
    "a column": (lambda i, o: Ends(i, o, lambda h: h[..., None]), r"gave \(2, \d, 1\)"),
}


@BOTH
@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize(("maker", "found"), REFUSED.values(), ids=REFUSED)
def test_modules_that_cannot_be_trained_are_refused(
    maker, found, side, cls, no_training
):
    text = f"{side} of {cls.__name__}.*{found}"
    with pytest.raises((TypeError, ValueError), match=text):
        small(network=network_of(side, maker, cls)).fit(X)


UNRELIABLE = {
    "dropout": (
        lambda i, o: Ends(i, o, lambda h: F.dropout(h, 0.3)),
        "given the same rows again",
    ),
    "count": (Counting, "given the same rows again"),
    "batch": (Batchwise, "beside other rows"),
    "order": (lambda i, o: Ends(i, o, lambda h: h.flip(0)), "beside other rows"),
}


@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize(("maker", "found"), UNRELIABLE.values(), ids=UNRELIABLE)
def test_modules_that_cannot_be_relied_on_warn_once(maker, found, side):
    with pytest.warns(UserWarning, match=f"{side} of CustomNetwork.*{found}") as told:
        small(network=network_of(side, maker), max_epochs=1).fit(X)
    assert sum("of CustomNetwork" in str(w.message) for w in told) == 1


TAKEN = {
    "float64 output": lambda i, o: Ends(i, o, torch.Tensor.double),
    "bfloat16 output": lambda i, o: Ends(i, o, torch.Tensor.bfloat16),
    "lazy": lambda i, o: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(o)),
    "DataParallel": lambda i, o: nn.DataParallel(nn.Linear(i, o)),
    "frozen": lambda i, o: nn.Linear(i, o).requires_grad_(False),
    "dropout": lambda i, o: nn.Sequential(nn.Linear(i, o), nn.Dropout(0.1)),
    "batch normalisation": normalised(lambda: nn.BatchNorm1d(8)),
}


@pytest.mark.filterwarnings("error:The (en|de)coder of:UserWarning")
@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize("maker", TAKEN.values(), ids=TAKEN)
def test_odd_modules_that_work_are_taken(maker, side):
    model = small(network=network_of(side, maker)).fit(X)
    assert np.isfinite(model.score(X))
    np.testing.assert_array_equal(model.transform(X), model.transform(X))


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_modules_that_work_in_place_are_as_good_as_others(side):
    in_place = small(network=network_of(side, InPlace)).fit(X)
    others = small(network=network_of(side, OutOfPlace)).fit(X)
    np.testing.assert_allclose(
        in_place.reconstruct(X), others.reconstruct(X), rtol=1e-3, atol=1e-3
    )


def test_a_frozen_encoder_may_run_without_gradients():
    class Pretrained(nn.Linear):
        def forward(self, x):
            with torch.no_grad():
                return super().forward(x)

    encoder = Pretrained(5, 4).requires_grad_(False)
    before = encoder.weight.clone()
    model = small(network=CustomNetwork(encoder, nn.Linear)).fit(X)
    assert torch.equal(model.module_.encoder.weight, before)
