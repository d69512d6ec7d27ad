"""Noise that the content of a row determines, by a counter-based generator."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Words = NDArray[np.uint64]  # of 32 bits each, so that products of two fit

_FACTORS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_KEY_STEP = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_LOW = np.uint64(2**32 - 1)
_HALF = np.uint64(32)
_N_ROUNDS = 10
_ROUNDS = np.arange(_N_ROUNDS, dtype=np.uint64)[:, np.newaxis]


def row_normal(x: Tensor, n_samples: int, n_components: int, seed: int) -> Tensor:
    """Return standard normal noise that each row of `x` determines by its content.

    Equal rows get equal noise and distinct rows independent noise, whatever their
    position and their neighbours, so that Monte-Carlo scores are a function of the row.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
    n_samples, n_components : int
    seed : int
        In [0, 2**64).

    Returns
    -------
    noise : Tensor of shape (n_samples, n, n_components), in float32 on the CPU

    Notes
    -----
    The generator is Philox: its key is the seed, its counter a hash of the row's bits
    and the number of the draw.
    """
    rows = np.ascontiguousarray(x.cpu().numpy() + 0.0)  # -0.0 becomes 0.0
    n_values = n_samples * n_components
    counter = np.zeros((4, len(rows), -(-n_values // 4)), np.uint64)
    counter[0] = np.arange(counter.shape[2])
    counter[2:] = row_hash(rows)[..., np.newaxis]
    words = philox(counter, _halves(np.uint64(seed)))
    normal = box_muller(words).reshape(len(rows), -1)[:, :n_values]
    noise = torch.from_numpy(normal).unflatten(1, (n_samples, n_components))
    return noise.transpose(0, 1).contiguous()


def row_hash(rows: NDArray) -> Words:
    """Return 64 bits of every row, as two words: shape (2, n).

    The chance that two distinct rows agree is 2^-64, over the random factors that the
    bits of a row are multiplied with.

    References
    ----------
    Thorup, "High Speed Hashing for Integers and Strings", arXiv 1504.06804, section 3.
    """
    bits = rows.view(np.uint32).astype(np.uint64)
    return (bits @ _factors(bits.shape[1])).T >> _HALF


@lru_cache(maxsize=8)
def _factors(n_words: int) -> Words:
    """Return two random factors of 64 bits for every word of a row."""
    counter = np.zeros((4, n_words), np.uint64)
    counter[0] = np.arange(n_words)
    words = philox(counter, np.zeros(2, np.uint64))
    return (words[:2] << _HALF | words[2:]).T.copy()


def philox(counter: Words, key: Words) -> Words:
    """Return the random words of counters: Philox-4x32-10.

    Parameters
    ----------
    counter : ndarray of shape (4, ...)
    key : ndarray of shape (2,)

    Returns
    -------
    words : ndarray of shape (4, ...)

    References
    ----------
    Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011,
    section 3.
    """
    even, odd = counter[::2], counter[1::2]
    column = (2, *(1,) * (counter.ndim - 1))
    factors = _FACTORS.reshape(column)
    for round_key in (key + _ROUNDS * _KEY_STEP & _LOW).reshape(_N_ROUNDS, *column):
        product = even * factors
        even, odd = (product >> _HALF)[::-1] ^ odd ^ round_key, (product & _LOW)[::-1]
    return np.stack([even, odd], 1).reshape(counter.shape)


def box_muller(words: Words) -> NDArray[np.float32]:
    """Return four standard normal values for every four words: (4, ...) -> (..., 2, 2).

    References
    ----------
    Box & Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    square = -2 * np.log((words[::2] + 0.5) * 2**-32)
    radius = np.sqrt(square.astype(np.float32))
    angle = words[1::2].astype(np.float32) * np.float32(2 * np.pi / 2**32)
    normal = np.empty((*words.shape[1:], 2, 2), np.float32)
    for i, function in enumerate((np.cos, np.sin)):
        normal[..., i] = np.moveaxis(radius * function(angle), 0, -1)
    return normal


def _halves(number: Words) -> Words:
    """Return the lower and the upper half of a number of 64 bits."""
    return np.array([number & _LOW, number >> _HALF])
