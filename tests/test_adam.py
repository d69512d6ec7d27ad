"""Our Adam is torch's fused one, bit for bit, and works with what torch has for it."""

import copy

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    OneCycleLR,
    ReduceLROnPlateau,
)

from skvae._utils.adam import Adam

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def start(device="cpu", types=(torch.float32,) * 3):
    """Return parameters of several shapes, one with its channels last in memory."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 7), (), (4, 3, 2, 2)]
    tensors = [torch.randn(s, generator=generator) for s in shapes]
    tensors[2] = tensors[2].to(memory_format=torch.channels_last)
    moved = zip(tensors, types, strict=True)
    return [t.to(device, dtype).requires_grad_() for t, dtype in moved]


def run(optimizer, n_steps, first=0, without=(), after=lambda step: None):
    """Take steps with gradients of ten orders of magnitude."""
    parameters = optimizer.param_groups[0]["params"]
    for i in range(first, first + n_steps):
        generator = torch.Generator().manual_seed(1000 + i)
        for j, p in enumerate(parameters):
            gradient = torch.randn(p.shape, generator=generator) * 10.0 ** (j * 5 - 8)
            p.grad = None if (i, j) in without else gradient.to(p)
        optimizer.step()
        after(i)


def values(optimizer):
    """Return parameters and moments."""
    parameters = optimizer.param_groups[0]["params"]
    moments = [optimizer.state[p] for p in parameters]
    names = "step", "exp_avg", "exp_avg_sq"
    return [*parameters, *(m[name] for m in moments for name in names if m)]


def assert_equal_bits(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.stride() == b.stride()
        assert torch.equal(a, b)


def pair(lr=1e-2, betas=(0.9, 0.999), **options):
    ours, theirs = start(**options), start(**options)
    return Adam(ours, lr, betas), torch.optim.Adam(theirs, lr, betas, fused=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.99)])
@pytest.mark.parametrize("lr", [1e-3, 0.3])
def test_steps_have_the_bits_of_torch(lr, betas, device):
    ours, theirs = pair(lr, betas, device=device)
    for optimizer in (ours, theirs):
        run(optimizer, 7)
    assert_equal_bits(values(ours), values(theirs))
    assert not torch.equal(ours.param_groups[0]["params"][0].cpu(), start()[0])


def test_parameters_without_gradient_stay_and_do_not_count_the_step():
    ours, theirs = pair()
    for optimizer in (ours, theirs):
        run(optimizer, 4, without={(1, 0), (2, 0), (2, 1), (2, 2)})
    assert_equal_bits(values(ours), values(theirs))
    assert ours.state[ours.param_groups[0]["params"][0]]["step"] == 2


@pytest.mark.parametrize("device", DEVICES)
def test_parameters_of_several_types_move_by_the_bits_of_torch(device):
    types = torch.float32, torch.float64, torch.float32
    ours, theirs = pair(device=device, types=types)
    for optimizer in (ours, theirs):
        run(optimizer, 3)
        assert optimizer.param_groups[0]["params"][1].dtype == torch.float64
    for a, b in zip(values(ours)[:3], values(theirs)[:3], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "make",
    [
        lambda o: CosineAnnealingLR(o, T_max=5),
        lambda o: LambdaLR(o, lambda epoch: 0.5**epoch),
        lambda o: OneCycleLR(o, max_lr=0.1, total_steps=8),  # changes betas, too
    ],
)
@pytest.mark.filterwarnings("error")  # torch's, of schedulers that miss steps
def test_schedulers_of_torch_move_the_rates(make):
    ours, theirs = pair()
    for optimizer in (ours, theirs):
        scheduler = make(optimizer)
        run(optimizer, 6, after=lambda _, scheduler=scheduler: scheduler.step())
    assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"] != 1e-2
    assert_equal_bits(values(ours), values(theirs))


def test_plateaus_lower_the_rate():
    (optimizer, _) = pair()
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    scheduler.step(1.0)
    scheduler.step(2.0)
    assert optimizer.param_groups[0]["lr"] == 5e-3


@pytest.mark.parametrize("device", DEVICES)
def test_a_loaded_state_goes_on_as_if_nothing_had_happened(device):
    whole, _ = pair(device=device)
    run(whole, 6)
    first, second = pair(device=device)[0], pair(device=device)[0]
    run(first, 3)
    state = copy.deepcopy(first.state_dict())
    with torch.no_grad():
        for p, q in zip(
            *(o.param_groups[0]["params"] for o in (second, first)), strict=True
        ):
            p.copy_(q)
    second.load_state_dict(state)
    p = second.param_groups[0]["params"][0]
    assert second.state[p]["step"].device == p.device
    run(second, 3, first=3)
    assert_equal_bits(values(second), values(whole))


def test_no_parameters_are_an_error_as_in_torch():
    with pytest.raises(ValueError, match="empty parameter list"):
        Adam([], 1e-3)
