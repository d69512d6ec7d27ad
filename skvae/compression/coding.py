"""Lossless compression by bits back, with asymmetric numeral systems."""

from __future__ import annotations

import zlib
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from skvae._utils.threads import using_threads
from skvae.compression import _format
from skvae.compression._format import Header
from skvae.compression._grid import Grid
from skvae.compression._model import Model
from skvae.compression._rows import read_rows
from skvae.compression._stack import (
    CodingError,
    RunDryError,
    Stack,
    Symbols,
    Words,
    known_words,
)


def compress(estimator: Any, X: Any) -> bytes:
    """Compress rows without loss, to as many bits as the evidence lower bound says.

    Parameters
    ----------
    estimator : VAE, IWAE or TwoStageVAE
        Fitted, with a likelihood of few values, such as ``"bernoulli"`` or
        ``"discretized_logistic"``, a normal posterior (all but ``"flow"``), and the
        prior N(0, I) or a second stage with a normal likelihood.
    X : array-like or Tensor of shape (n_samples, n_features)
        Rows or images, whose values are exactly those that the likelihood gives
        probabilities to, such as 0 and 1. There may be none.

    Returns
    -------
    message : bytes
        For `decompress`, with the same estimator, which is not in it.

    Raises
    ------
    TypeError
        If the estimator is none of these, its likelihood is a density, its posterior is
        not normal, or its latent density is neither N(0, I) nor such a second stage.
    ValueError
        If X has other values or another shape, or the networks give values that are not
        finite.
    ImportError
        If the package ``constriction`` is not installed.

    Notes
    -----
    A code z is drawn from q(z|x) by bits of the message so far, x is written with the
    probabilities p(x|z), then z with p(z). The receiver, who has read z and x, knows
    q(z|x) too, and so gets back the bits by which z was drawn. A row costs
    ``-log2 p(x|z) - log2 p(z) + log2 q(z|x)`` bits: on average the negative evidence
    lower bound. In a second stage, z is written by the same procedure in place of p(z).
    An IWAE is coded at the bound of a single draw, which is looser than its own.

    Beside these bits, a message has a header of 40 to 50 bytes, eight bytes of the
    coder, and the bits by which the first code is drawn, six to ten for each component.
    Codes lie on a grid of 2^-8 up to +-16. Probabilities below 2^-24 count as 2^-24,
    and scales of q(z|x) above 2 as 2: rows that the model holds for impossible come
    back, too, and are shorter than its bound.

    Both sides must compute the same floats. Networks therefore run on the CPU, in one
    thread, and in blocks that are the same on both sides, whatever the device of the
    model and the threads of the user. Another processor or version of torch may give
    others; a checksum then says so.

    References
    ----------
    Townsend, Bird & Barber, "Practical Lossless Compression with Latent Variables using
    Bits Back Coding", ICLR 2019. https://arxiv.org/abs/1901.04866
    Yu, "A Tutorial on VAEs", arXiv 2006.10273, section 4.1, eq. 33.
    For the order in which several stages are coded, Kingma, Abbeel & Ho, "Bit-Swap",
    ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.compression import compress, decompress
    >>> X = np.random.default_rng(0).random((400, 8)) < 0.1
    >>> vae = VAE(2, likelihood="bernoulli", max_epochs=2, random_state=0).fit(X)
    >>> message = compress(vae, X)
    >>> len(message) < len(np.packbits(X))
    True
    >>> np.array_equal(decompress(vae, message), X)
    True
    """
    model = Model(estimator, Grid())
    X, symbols = read_rows(estimator, X, model.support)
    with using_threads(1):
        stack = _pushed(model, symbols)
    n_known, words = stack.message()
    checksum = _checksum(symbols)
    header = Header(
        model.fingerprint, checksum, model.grid, n_known, X.dtype.str, X.shape
    )
    return _format.write(header, words)


def decompress(estimator: Any, message: bytes) -> NDArray[Any]:
    """Return the rows that `compress` wrote, in the shape and the type they had.

    Parameters
    ----------
    estimator : VAE, IWAE or TwoStageVAE
        The one that wrote the message, also saved or pickled, and loaded.
    message : bytes

    Returns
    -------
    X : ndarray of shape (n_samples, ...)

    Raises
    ------
    TypeError
        If the message is not of bytes, or as `compress`.
    ValueError
        If it is no message, not as it was written, of a newer format, of another model,
        or if the networks give other floats than where it was written.
    ImportError
        If the package ``constriction`` is not installed.

    Examples
    --------
    >>> from skvae import VAE
    >>> from skvae.compression import compress, decompress
    >>> vae = VAE(1, likelihood="bernoulli", max_epochs=2, random_state=0)
    >>> vae = vae.fit([[0, 1], [1, 0]])
    >>> decompress(vae, compress(vae, [[1, 1], [0, 1], [0, 0]]))
    array([[1, 1],
           [0, 1],
           [0, 0]])
    """
    header, words = _format.read(message)
    model = Model(estimator, header.grid)
    header.check(model.fingerprint, model.n_features)
    try:
        with using_threads(1):
            symbols, rest = _popped(model, Stack(words), header.shape[0])
    except CodingError:
        _refuse()
    if len(rest) != header.n_known or (rest != known_words(len(rest))).any():
        _refuse()
    if _checksum(symbols) != header.checksum:
        _refuse()
    return model.support.astype(header.dtype)[symbols].reshape(header.shape)


def _pushed(model: Model, symbols: Symbols) -> Stack:
    """Return a stack with all rows, in blocks that ask for no more than it holds.

    Blocks have 2^k rows, and k stands on top of each.
    """
    stack, start, k = Stack(), 0, 0
    while start < len(symbols):
        k = min(k, model.most_doublings, (len(symbols) - start).bit_length() - 1)
        rows = symbols[start : start + 2**k]
        is_deep = stack.holds(len(rows) * model.most_bits)
        trial = stack if is_deep else stack.copy()
        try:
            model.push(trial, rows)
        except RunDryError:
            if k == 0:
                stack.deepen()
            k = max(0, k - 1)
            continue
        stack = trial
        stack.push_count(k, model.most_doublings)
        start, k = start + len(rows), k + 1
    return stack


def _popped(model: Model, stack: Stack, n_rows: int) -> tuple[Symbols, Words]:
    """Return all rows, and what is left on the stack."""
    blocks = [np.empty((0, model.n_features), dtype=np.int32)]
    while n_rows:
        size = 2 ** stack.pop_count(model.most_doublings)
        if size > n_rows:
            raise CodingError
        blocks.append(model.pop(stack, size))
        n_rows -= size
    return np.concatenate(blocks[::-1]), stack.words


def _checksum(symbols: Symbols) -> int:
    return zlib.crc32(symbols.astype("<u2").tobytes())


def _refuse() -> NoReturn:
    raise ValueError(
        "X was not recovered: encoder or decoder give other floats here than where the "
        "message was written. Use the same kind of processor, the same version of "
        "torch and its settings, and networks that draw nothing at random."
    )
