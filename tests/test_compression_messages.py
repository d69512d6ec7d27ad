"""Messages that were damaged, forged, or are read elsewhere are refused."""

import copy
import math
import struct
import zlib

import numpy as np
import pytest
import torch
from coded_models import model_and_rows
from conftest import small

from skvae.compression import _format, _model, compress, decompress
from skvae.compression._stack import known_words

pytest.importorskip("constriction")
N_ROWS = 12
START = 10  # bytes, of which the last four are the checksum of all others


@pytest.fixture(scope="module")
def written():
    model, X = model_and_rows("bits")
    return model, X[:N_ROWS], compress(model, X[:N_ROWS])


def header_size(message):
    _, words = _format.read(message)
    return len(message) - 4 * len(words)


def flipped(message, i):
    """Return a message with bit i the other way round."""
    content = bytearray(message)
    content[i // 8] ^= 1 << (i % 8)
    return bytes(content)


def refusal(model, message):
    with pytest.raises(ValueError, match=r"message|not recovered") as caught:
        decompress(model, message)
    return str(caught.value)


def test_every_flipped_bit_of_a_message_is_seen(written):
    model, _, message = written
    for i in range(8 * len(message)):
        refusal(model, flipped(message, i))


def test_every_truncation_of_a_message_is_seen(written):
    model, _, message = written
    for n in range(len(message)):
        refusal(model, message[:n])
    refusal(model, message + b"\0")


def test_random_bytes_are_no_message(written):
    model, _, message = written
    rng = np.random.default_rng(0)
    for n in [*range(40), 100, 1000]:
        for start in (b"", b"skvae", message[:6], message[:START]):
            refusal(model, start + rng.bytes(n))


@pytest.mark.slow
def test_forged_stacks_are_seen(written):
    """The checksum of the bytes fits: what decodes is garbage."""
    model, _, message = written
    rng = np.random.default_rng(0)
    first = 8 * header_size(message)
    for i in rng.integers(first, 8 * len(message), 1500):
        refusal(model, _format.sealed(flipped(message, i)[START:]))
    for n_words in range(len(message) // 4 + 4):
        body = rng.integers(1, 2**32, n_words, dtype=np.uint32).tobytes()
        refusal(model, _format.sealed(message[START : first // 8] + body))


@pytest.mark.slow
def test_forged_headers_give_errors_or_arrays(written):
    model, X, message = written
    for i in range(8 * START, 8 * header_size(message)):
        forged = _format.sealed(flipped(message, i)[START:])
        try:
            found = decompress(model, forged)
        except ValueError:
            refusal(model, forged)
        else:
            assert np.array_equal(found.ravel(), X.ravel())


@pytest.mark.parametrize("shape", [(2**32 - 1, 64), (N_ROWS, 32), (N_ROWS, 0, 64)])
def test_forged_shapes_are_seen(written, shape):
    model, _, message = written
    header, words = _format.read(message)
    forged = _format.write(header._replace(shape=shape), words)
    refusal(model, forged)


def test_a_forged_number_of_known_words_makes_none_of_them(written):
    model, _, message = written
    header, words = _format.read(message)
    refusal(model, _format.write(header._replace(n_known=2**32 - 1), words))


def test_what_is_no_message_is_told(written):
    model, _, message = written
    assert "must begin with b'skvae', got b'\\x89PNG" in refusal(model, b"\x89PNG....")
    assert "got b''" in refusal(model, b"")
    newer = message[:5] + bytes([_format._FORMAT + 1]) + message[6:]
    assert "must have the format 1, got 2. Use the version" in refusal(model, newer)
    assert "not as it was written" in refusal(model, message[:-1])
    for wrong in ("skvae", None, [1], np.zeros(3)):
        with pytest.raises(TypeError, match="message must be bytes, got"):
            decompress(model, wrong)


def test_any_bytes_like_object_is_read(written):
    model, X, message = written
    for container in (bytearray, memoryview):
        np.testing.assert_array_equal(decompress(model, container(message)), X)


def test_the_header_says_what_is_documented(written):
    model, X, message = written
    header, words = _format.read(message)
    assert header.dtype == X.dtype.str
    assert header.shape == X.shape
    assert header.checksum == zlib.crc32(X.astype("<u2").tobytes())
    assert len(message) == START + struct.calcsize("<8sIBBI3sB2I") + 4 * len(words)
    assert 40 <= header_size(message) <= 50
    entropy = 8 + math.log2(math.sqrt(2 * math.pi * math.e))  # of N(0, 1), in cells
    assert 32 * header.n_known < model.n_components * entropy + 4 * 32


def test_known_words_are_always_the_same():
    np.testing.assert_array_equal(known_words(9)[-4:], known_words(4))
    assert known_words(1)[0] != 0
    bits = np.unpackbits(np.ascontiguousarray(known_words(10_000)).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / math.sqrt(len(bits))


# ------------------------------------------------------------------- another model


@pytest.mark.parametrize("name", ["bits", "bits, two stages"])
def test_the_message_of_another_model_is_refused(name):
    model, X = model_and_rows(name)
    message = compress(model, X[:20])
    other, _ = model_and_rows("bits, isotropic")
    assert "read by the model that wrote it" in refusal(other, message)
    for tensor in _tensors(model):
        twin = copy.deepcopy(model)
        values = dict(_named(twin))[tensor].view(-1)
        values[-1] = torch.nextafter(values[-1], torch.tensor(math.inf))
        with pytest.raises(ValueError, match="read by the model that wrote it"):
            decompress(twin, message)


def _named(model):
    yield from ((f"1.{n}", t) for n, t in model.module_.state_dict().items())
    if hasattr(model, "second_stage_"):
        second = model.second_stage_.module_
        yield from ((f"2.{n}", t) for n, t in second.state_dict().items())


def _tensors(model):
    return [name for name, _ in _named(model)]


def test_more_training_makes_another_model():
    model, X = model_and_rows("bits")
    model = copy.deepcopy(model)
    message = compress(model, X[:20])
    refusal(model.partial_fit(X[:100]), message)


@pytest.mark.parametrize("name", ["bits", "levels", "bits, full", "bits, two stages"])
@pytest.mark.parametrize("error", [1e-6, 1e-3, 1.0, 1e6, np.inf, np.nan])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_other_floats_are_told(name, error, part, monkeypatch):
    """As of another processor: networks differ, and all bytes are as written."""
    model, X = model_and_rows(name)
    model = copy.deepcopy(model)
    message = compress(model, X[:100])
    monkeypatch.setattr(_model, "_fingerprint", lambda _: _format.read(message)[0][0])
    with torch.no_grad():
        for weight in getattr(model.module_, part).parameters():
            weight.mul_(1 + error)
    with pytest.raises(
        ValueError, match=r"not recovered.*processor|not finite"
    ) as told:
        decompress(model, message)
    assert np.isfinite(error) or told
    if np.isfinite(error):
        assert "not recovered" in str(told.value)


def test_the_checksum_of_x_alone_tells_a_wrong_row(written, monkeypatch):
    model, _, message = written
    header, words = _format.read(message)
    refusal(model, _format.write(header._replace(checksum=header.checksum ^ 1), words))


def test_what_is_left_on_the_stack_is_looked_at(written):
    model, X, message = written
    header, words = _format.read(message)
    more = np.concatenate([known_words(header.n_known + 1)[:1], words])
    refusal(model, _format.write(header, more))
    deeper = _format.write(header._replace(n_known=header.n_known + 1), more)
    np.testing.assert_array_equal(decompress(model, deeper), X)


def test_an_empty_message_has_no_rows():
    model = small(likelihood="bernoulli").fit([[0, 1.0], [1, 0]])
    message = compress(model, np.zeros((0, 2)))
    assert len(message) < 60
    assert decompress(model, message).shape == (0, 2)
