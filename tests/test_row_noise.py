"""Noise by the content of rows: the generator, the hash, and what comes out."""

import numpy as np
import pytest
import torch
from scipy import stats

from skvae._utils.row_noise import box_muller, philox, row_hash, row_normal

N = 1_000_000
SMALLEST_P = 1e-4  # some 60 values are computed, from fixed seeds


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("0" * 32, "0" * 16, "6627e8d5e169c58dbc57ac4c9b00dbd8"),
        ("f" * 32, "f" * 16, "408f276d41c83b0ea20bc7c66d5451fd"),
        (
            "243f6a8885a308d313198a2e03707344",
            "a4093822299f31d0",
            "d16cfe0994fdcceb5001e42024126ea1",
        ),
    ],
)
def test_philox_has_the_known_answers_of_random123(counter, key, expected):
    def words(text):
        return np.array([int(text[i : i + 8], 16) for i in range(0, len(text), 8)])

    found = philox(
        words(counter).astype(np.uint64)[:, np.newaxis], np.uint64([*words(key)])
    )
    np.testing.assert_array_equal(found[:, 0], words(expected))


def test_box_muller_is_its_formula():
    words = np.random.default_rng(0).integers(2**32, size=(4, 1000)).astype(np.uint64)
    found = box_muller(words).reshape(-1, 4)
    for i in (0, 2):
        radius = np.sqrt(-2 * np.log((words[i] + 0.5) / 2**32))
        angle = 2 * np.pi * words[i + 1] / 2**32
        np.testing.assert_allclose(found[:, i], radius * np.cos(angle), atol=2e-6)
        np.testing.assert_allclose(found[:, i + 1], radius * np.sin(angle), atol=2e-6)


def test_box_muller_is_finite_at_the_ends():
    words = np.array([[0, 2**32 - 1], [0, 2**32 - 1]] * 2, dtype=np.uint64)
    found = box_muller(words)
    assert np.abs(found).max() == pytest.approx(np.sqrt(66 * np.log(2)), rel=1e-6)


def test_hashes_of_a_million_rows_of_few_bits_differ():
    # All rows that differ from one another in 20 bits: signs, exponents, last digits.
    row = np.random.default_rng(0).standard_normal(10).astype(np.float32)
    number = np.arange(2**20, dtype=np.uint32)[:, np.newaxis]
    first, second = number & 1023, number >> 10
    at = np.arange(10, dtype=np.uint32)
    bits = row.view(np.uint32) ^ (first >> at & 1) << 31 ^ (second >> at & 1) << 3 * at
    upper, lower = row_hash(bits.view(np.float32))
    assert len(np.unique(upper << np.uint64(32) | lower)) == 2**20


def test_words_of_hashes_collide_as_random_ones_and_noise_does_not():
    rows = np.random.default_rng(0).integers(0, 256, (N, 8)).astype(np.float32)
    for word in row_hash(rows):
        n_collisions = N - len(np.unique(word))
        assert abs(n_collisions - N**2 / 2**33) < 5 * np.sqrt(N**2 / 2**33)
    noise = row_normal(torch.from_numpy(rows), 1, 2, seed=0)[0].numpy()
    assert len(np.unique(noise.view(np.uint64))) == N


def in_order(n, n_features=4):
    return np.repeat(np.arange(n, dtype=np.float32)[:, np.newaxis], n_features, 1)


def one_bit(n):
    """Return rows of which neighbours differ in one bit."""
    gray = np.arange(n, dtype=np.uint32)
    gray ^= gray >> 1
    rows = np.ones((n, 3), np.float32)
    rows.view(np.uint32)[:, 1] ^= gray
    return rows


def permuted(n):
    rng = np.random.default_rng(0)
    return rng.permuted(np.tile(np.arange(12, dtype=np.float32), (n, 1)), axis=1)


SETS = {
    "constant rows": (in_order(N // 8), 2, 4),
    "one feature": (in_order(N // 2, 1), 1, 2),
    "one bit": (one_bit(N // 4), 1, 4),
    "permuted features": (permuted(N // 6), 2, 3),
    "many draws": (in_order(50), 4000, 5),
}


def dependence(a, b):
    """Return the p-value of the independence of pairs, by a table of 16 x 16."""
    cells = [np.clip(16 * stats.norm.cdf(v), 0, 15).astype(int) for v in (a, b)]
    table = np.bincount(16 * cells[0] + cells[1], minlength=256)
    return stats.chisquare(table).pvalue


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_noise_is_normal_and_independent(name):
    rows, k, d = SETS[name]
    noise = row_normal(torch.from_numpy(rows), k, d, seed=3).numpy()
    other = row_normal(torch.from_numpy(rows), k, d, seed=4).numpy()
    assert noise.shape == (k, len(rows), d)
    flat = noise.astype(np.float64).ravel()
    n = flat.size
    assert stats.kstest(flat, "norm").pvalue > SMALLEST_P
    moments = [(flat**m).mean() for m in (1, 2, 3, 4)]
    errors = np.sqrt(np.array([1, 2, 15, 96]) / n)  # of powers of a normal value
    assert np.abs((np.array(moments) - [0, 1, 0, 3]) / errors).max() < 4
    pairs = {
        "rows": (noise[:, 1:], noise[:, :-1]),
        "every other row": (noise[:, 2:], noise[:, :-2]),
        "components": (noise[..., 1:], noise[..., :-1]),
        "draws": (noise[1:], noise[:-1]),
        "seeds": (noise, other),
    }
    for kind, (a, b) in pairs.items():
        if a.size:
            assert dependence(a.ravel(), b.ravel()) > SMALLEST_P, kind


@pytest.mark.parametrize(("k", "d"), [(1, 1), (1, 3), (3, 2), (7, 5), (64, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_of_a_row_depends_on_nothing_else(k, d, dtype):
    x = torch.randn(37, 5, generator=torch.Generator().manual_seed(0), dtype=dtype)
    x[20] = x[3]
    noise = row_normal(x, k, d, seed=5)
    assert noise.is_contiguous()
    assert torch.equal(noise[:, 20], noise[:, 3])
    for i in range(37):
        assert torch.equal(row_normal(x[i : i + 1], k, d, seed=5)[:, 0], noise[:, i])
    order = torch.randperm(37, generator=torch.Generator().manual_seed(1))
    assert torch.equal(row_normal(x[order], k, d, seed=5), noise[:, order])
    assert len(noise.unique()) > 0.99 * 36 * k * d


def test_fewer_draws_are_the_first_ones():
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(row_normal(x, 3, 5, 0), row_normal(x, 8, 5, 0)[:3])


def test_both_zeros_are_one():
    x = torch.zeros(1, 3)
    assert torch.equal(row_normal(-x, 4, 2, 0), row_normal(x, 4, 2, 0))


def test_seeds_count_with_all_their_bits():
    x = torch.ones(1, 3)
    noise = {row_normal(x, 1, 1, seed).item() for seed in (0, 1, 2**31, 2**32, 2**62)}
    assert len(noise) == 5
