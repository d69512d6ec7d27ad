"""Messages are as long as the evidence lower bound says, and codes are drawn from q."""

import math

import numpy as np
import pytest
import torch
from coded_models import model_and_rows
from conftest import small
from scipy import stats

from skvae._distributions.normal import (
    DiagonalNormal,
    rsample_with_log_prob,
    standard_normal_log_prob,
)
from skvae.compression import compress, decompress
from skvae.compression._format import read
from skvae.compression._grid import Grid
from skvae.compression._levels import Encoder
from skvae.compression._model import Model
from skvae.compression._stack import RunDryError, Stack, known_words

pytest.importorskip("constriction")


def many_bits():
    return Stack(known_words(100_000))


# ------------------------------------------------------------------------ the stack


def test_bits_that_are_popped_come_back():
    stack, rng = many_bits(), np.random.default_rng(0)
    before = stack.words
    mean, scale = rng.normal(size=(2, 50, 3))
    table = rng.dirichlet(np.ones(5), (50, 3))
    drawn = stack.pop_normal(40, 9 * mean, np.exp(scale))
    row = stack.pop_table(table)
    count = stack.pop_count(6)
    assert drawn.shape == row.shape == (50, 3)
    assert 0 <= count <= 6
    stack.push_count(count, 6)
    stack.push_table(row, table)
    stack.push_normal(drawn, 40, 9 * mean, np.exp(scale))
    np.testing.assert_array_equal(stack.words, before)


def test_a_stack_has_no_more_bits_than_were_put_on_it():
    stack = Stack()
    with pytest.raises(RunDryError):
        stack.pop_normal(500, np.zeros(50), np.full(50, 100.0))
    stack = Stack()
    for _ in range(4):
        stack.deepen()
    assert stack.n_known == 32
    np.testing.assert_array_equal(stack.words, known_words(32))
    drawn = stack.pop_normal(500, np.zeros(50), np.full(50, 100.0))
    n_known, words = stack.message()
    twin = Stack(words)
    twin.push_normal(drawn, 500, np.zeros(50), np.full(50, 100.0))
    np.testing.assert_array_equal(twin.words, known_words(n_known))
    assert 32 * n_known - 64 < 50 * (math.log2(100) + 2.05) + 64


def test_a_copy_of_a_stack_is_its_own():
    stack = many_bits()
    twin = stack.copy()
    twin.pop_normal(50, np.zeros(50), np.full(50, 9.0))
    np.testing.assert_array_equal(stack.words, known_words(100_000))
    assert stack.message()[0] < twin.message()[0]


# --------------------------------------------------------------------------- the grid


@pytest.mark.parametrize("scale", [0.01, 0.1, 0.7, 1.9])
@pytest.mark.parametrize("mean", [0.0, 0.3, -3.1])
def test_codes_are_draws_from_q(mean, scale):
    grid, n = Grid(), 20_000
    q = np.full(n, mean), np.full(n, scale)
    stack = many_bits()
    symbols = grid.draw(stack, *q)
    cell = 2.0**-grid.bits
    u = stats.norm.cdf(
        grid.values(symbols) + cell * (np.random.default_rng(0).random(n) - 0.5), *q
    )
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    bits = 32 * (len(known_words(100_000)) - len(stack.words))
    entropy = math.log2(scale / cell * math.sqrt(2 * math.pi * math.e))
    np.testing.assert_allclose(bits / n, entropy, rtol=0.01)


def test_codes_never_come_from_afar():
    """The coder's least probability is 2^-24, and of 2^13 cells one in 2,000 draws."""
    grid, rng = Grid(), np.random.default_rng(0)
    mean, scale = rng.uniform(-3, 3, 300_000), np.exp(rng.uniform(-7, 0.5, 300_000))
    codes = grid.values(grid.draw(Stack(known_words(300_000)), mean, scale))
    # Windows have up to twice the width.
    assert (np.abs(codes - mean) <= 12 * scale + 6 * 2.0**-grid.bits).all()


def test_codes_of_any_q_come_back():
    grid, rng = Grid(), np.random.default_rng(0)
    mean = rng.normal(size=2000) * 10.0 ** rng.uniform(-3, 30, 2000)
    scale = 10.0 ** rng.uniform(-30, 30, 2000)
    stack = many_bits()
    before = stack.words
    symbols = grid.draw(stack, mean, scale)
    assert np.abs(grid.values(symbols)).max() <= grid.reach
    grid.undraw(stack, symbols, mean, scale)
    np.testing.assert_array_equal(stack.words, before)


def test_codes_with_a_full_covariance_are_draws_from_q():
    model, X = model_and_rows("bits, full")
    row = np.repeat(X[:1], 12_000, axis=0).astype(float)
    encoder = Encoder(model.module_, Grid())
    stack = many_bits()
    before = stack.words
    symbols = encoder.draw(stack, row)
    codes = encoder.grid.values(symbols)
    with torch.inference_mode():
        q = model.module_.encode(torch.from_numpy(row[:1]).float())
    factor = q.factor[0].double().numpy()
    assert np.abs(np.corrcoef(codes.T) - np.eye(4)).max() > 0.02
    e = np.linalg.solve(factor, (codes - q.mean[0].double().numpy()).T)
    for component in e:
        assert stats.kstest(component, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.corrcoef(e), np.eye(4), atol=0.04)
    encoder.undraw(stack, row, symbols)
    np.testing.assert_array_equal(stack.words, before)


# -------------------------------------------------------------------------- the bound


def bound(model, X, n_draws=50):
    """Return bits of every row, -log2 p(x|z) p(z) / q(z|x) over stages, on average."""
    generator = torch.Generator().manual_seed(0)
    x = torch.from_numpy(X.reshape(len(X), -1).astype(np.float32))
    with torch.inference_mode():
        return np.mean([_bits(model, x, generator) for _ in range(n_draws)], 0)


def _bits(model, x, generator):
    q, density = _narrowed(model.module_.encode(x)), model.latent_density_
    noise = torch.randn(q.mean.shape, generator=generator)
    z, log_q = rsample_with_log_prob(q, noise)
    bits = (log_q - _log_likelihood(model, z, x)) / math.log(2)
    if hasattr(density, "module_"):
        return bits.numpy() + _bits(density, z, generator)
    return (bits - standard_normal_log_prob(z) / math.log(2)).numpy()


def _narrowed(q):
    """Return q(z|x) as it is coded: with scales up to 2."""
    if hasattr(q, "factor"):
        return q
    return DiagonalNormal(q.mean, q.log_scale.expand_as(q.mean).clamp(max=math.log(2)))


def _log_likelihood(model, z, x):
    """Return log p(x|z), each feature with a probability of at least 2^-24."""
    p = model.module_.decode(z)
    if not model.likelihood_.discrete:
        return p.log_prob(x)
    symbols = torch.from_numpy(np.searchsorted(model.likelihood_.support, x.numpy()))
    table = p.probabilities().gather(-1, symbols[..., None]).clamp(min=2**-24)
    return table.log().sum((-1, -2))


@pytest.mark.parametrize(
    "name",
    [
        *("bits", "bits, isotropic", "bits, constant", "bits, full", "bits, IWAE"),
        *("bits, two stages", "bits, codes of codes", "levels", "levels, predicted"),
        *("levels, two stages", "pictures", "images"),
    ],
)
def test_a_message_is_as_long_as_the_bound(name):
    model, X = model_and_rows(name)
    X = X[:1000]
    message = compress(model, X)
    expected = bound(model, X)
    header, words = read(message)
    known = 32 * header.n_known
    net = 32 * len(words) - known
    # A message has one draw of a row's code.
    spread = 4 * np.sqrt(len(X)) * 5
    assert abs(net - expected.sum()) < 0.003 * expected.sum() + spread
    assert 8 * len(message) < net + known + 8 * 60


def test_a_message_of_a_known_distribution_is_as_long_as_its_entropy():
    """Where codes say nothing, rows are of independent features of the offsets."""
    rng = np.random.default_rng(0)
    p = np.array([0.02, 0.1, 0.3, 0.5, 0.9, 0.99])
    X = (rng.random((6000, 6)) < p).astype(np.uint8)
    model = small(likelihood="bernoulli", max_epochs=1).fit(X[:4000])
    with torch.no_grad():
        for weight in model.module_.parameters():
            weight.zero_()
    X = X[4000:]
    p = np.clip(model.likelihood_.offset.sigmoid().numpy(), 1e-3, 1 - 1e-3)
    bits = -np.where(X, np.log2(p), np.log2(1 - p)).sum()
    message = compress(model, X)
    header, words = read(message)
    net = 32 * (len(words) - header.n_known)
    assert -32 <= net - bits < 0.005 * bits + 200  # of the sizes of blocks
    np.testing.assert_array_equal(decompress(model, message), X)


def test_rows_that_cost_nothing_leave_a_short_message():
    """The stack does not grow: blocks must stay as small as what it holds."""
    model, _ = model_and_rows("bits")
    X = np.zeros((800, 64), dtype=np.uint8)
    X[:] = model_and_rows("bits")[1][0]
    expected = bound(model, X[:1]).mean() * 800
    assert 8 * len(compress(model, X)) < 1.05 * expected + 1000


def test_blocks_ask_for_no_more_bits_than_the_stack_holds(monkeypatch):
    model, X = model_and_rows("bits")
    sizes, pop = [], Model.pop

    def noted(self, stack, n_rows):
        sizes.insert(0, n_rows)
        return pop(self, stack, n_rows)

    message = compress(model, X[:1300])
    monkeypatch.setattr(Model, "pop", noted)
    decompress(model, message)
    assert sum(sizes) == 1300
    assert sizes[0] == 1
    assert max(sizes) >= 128  # few blocks for many rows
    assert len(sizes) < 40


def test_blocks_are_of_bounded_memory():
    model, _ = model_and_rows("levels")
    assert 2 ** Model(model, Grid()).most_doublings * 64 * 17 <= 2**20
    model, _ = model_and_rows("images")
    assert 2 ** Model(model, Grid()).most_doublings <= model.module_.block
