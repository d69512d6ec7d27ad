"""The discrepancy in the loss of a WAE: its bandwidth, and where gradients go."""

import pytest
import torch
from conftest import small

import skvae
from skvae._distributions.mmd import mmd_of_codes, mmd_squared, rbf_kernel
from skvae.losses import wae_mmd_loss


def randn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def test_bandwidth_is_the_published_one():
    """Distances among codes, and of codes to draws, decide; those of draws do not."""
    z, prior = 7 * randn(21, 3, seed=0) + 1, randn(21, 3, seed=1)
    among = torch.pdist(z).square().median()
    between = torch.cdist(z, prior).square().flatten().median()
    expected = mmd_squared(z, prior, lambda r: rbf_kernel(r, among + between))
    torch.testing.assert_close(mmd_of_codes(z, prior, "rbf"), expected)


def test_bandwidth_is_constant_for_the_gradient():
    z, prior = randn(9, 2, seed=0).requires_grad_(), randn(9, 2, seed=1)
    constant = z.detach()
    squared_bandwidth = (
        torch.pdist(constant).square().median()
        + torch.cdist(constant, prior).square().flatten().median()
    )
    expected = mmd_squared(z, prior, lambda r: rbf_kernel(r, squared_bandwidth))
    gradients = [
        torch.autograd.grad(value, z)[0]
        for value in (mmd_of_codes(z, prior, "rbf"), expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_gradient_reaches_the_encoder_alone(kernel, X):
    module = small(skvae.WAE, max_epochs=1).fit(X).module_
    terms = wae_mmd_loss(
        module,
        torch.from_numpy(X[:20].copy()),
        generator=torch.Generator().manual_seed(0),
        kernel=kernel,
    )
    gradients = {
        name: torch.autograd.grad(
            terms["divergence"],
            list(getattr(module, name).parameters()),
            retain_graph=True,
            allow_unused=True,
        )
        for name in ("encoder", "decoder")
    }
    assert any(g is not None and g.abs().sum() > 0 for g in gradients["encoder"])
    assert all(g is None for g in gradients["decoder"])
