"""An epoch over stored rows: every row once, blocks read once, mixed in a buffer."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stored_rows import Recorded

from skvae._training.block_batches import MIXED_BLOCKS, BlockBatches
from skvae._utils import sources
from skvae._utils.sources import block_edges, even_blocks, in_parts

CPU = torch.device("cpu")


def numbered(n_rows, n_blocks, fails_at=None):
    """Return rows that hold their numbers, in so many blocks."""
    rows = Recorded(np.arange(n_rows, dtype=np.float32)[:, None], fails_at)
    rows._edges = np.unique(np.linspace(0, n_rows, n_blocks + 1).astype(int))
    return rows


def order_of(batches, seed=0):
    found = list(batches.shuffled(torch.Generator().manual_seed(seed)))
    return [len(x) for x in found], torch.cat(found).flatten().numpy().astype(int)


@given(
    st.integers(1, 400),
    st.integers(1, 90),
    st.integers(1, 50),
    st.integers(0, 30),
)
def test_every_row_that_is_trained_on_comes_once(n_rows, n_blocks, size, n_held_out):
    rng = np.random.default_rng(0)
    held_out = np.sort(rng.choice(n_rows, min(n_held_out, n_rows - 1), replace=False))
    stored = numbered(n_rows, n_blocks)
    batches = BlockBatches(stored, size, CPU, held_out=held_out)
    sizes, order = order_of(batches)
    expected = np.setdiff1d(np.arange(n_rows), held_out)
    assert np.array_equal(np.sort(order), expected)
    assert len(sizes) == len(batches)
    assert set(sizes[:-1]) <= {batches.batch_size}
    assert sizes[-1] <= batches.batch_size <= size
    assert batches.n_rows == len(expected)
    ordered = torch.cat(list(batches.ordered())).flatten().numpy()
    assert np.array_equal(ordered, expected)


def test_every_block_is_read_once():
    stored = numbered(1000, 50)
    order_of(BlockBatches(stored, 32, CPU))
    spans = list(zip(stored.edges[:-1], stored.edges[1:], strict=True))
    assert sorted(stored.reads) == spans
    assert stored.reads != spans


def test_order_is_decided_by_the_generator():
    batches = BlockBatches(numbered(1000, 50), 32, CPU)
    first, again, other = (order_of(batches, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_of_16_blocks_are_mixed():
    """Every batch has rows of many blocks, and the last buffer is no smaller."""
    stored = numbered(20_000, 100)
    batches = BlockBatches(stored, 200, CPU)
    _, order = order_of(batches)
    blocks = np.searchsorted(stored.edges, order, side="right") - 1
    counts = [len(set(blocks[i : i + 200])) for i in range(0, 20_000, 200)]
    assert min(counts) >= MIXED_BLOCKS - 1
    assert max(counts) < 2 * (2 * MIXED_BLOCKS)


def test_few_blocks_are_mixed_all_together():
    """Any order has the same probability: rows come at any place."""
    stored = numbered(30, 2 * MIXED_BLOCKS - 2)
    batches = BlockBatches(stored, 30, CPU)
    places = np.array([np.argsort(order_of(batches, seed)[1]) for seed in range(400)])
    # The place of each row is uniform: its mean has a standard error of 0.43.
    assert np.abs(places.mean(0) - 14.5).max() < 4 * 0.43
    # So is that of its successor; they would follow each other if blocks stayed whole.
    follows = (np.diff(places) == 1).mean(0)
    assert np.abs(follows - 1 / 30).max() < 4 * np.sqrt(1 / 30 / 400)


def test_memory_is_bounded():
    stored = numbered(40_000, 400)
    largest = 100
    batches = BlockBatches(stored, 64, CPU)
    most = 0
    for x in batches.shuffled(torch.Generator()):
        most = max(most, len(x))
    n_ahead = max(1, sources._AHEAD_BYTES // (largest * 4))
    assert stored.most_held <= min(400, n_ahead + 3) * largest
    groups = np.array_split(np.arange(400), 400 // MIXED_BLOCKS)
    assert batches._buffer_rows(groups) <= 2 * MIXED_BLOCKS * largest + 64


def test_only_few_blocks_are_read_ahead(monkeypatch):
    monkeypatch.setattr(sources, "_AHEAD_BYTES", 5 * 400)  # blocks of 400 bytes
    stored = numbered(40_000, 400)
    blocks = stored.blocks()
    next(blocks)
    time.sleep(0.2)
    assert len(stored.reads) == 6
    assert stored.most_held <= 6 * 100
    blocks.close()


def test_an_error_of_a_read_comes_out_and_the_reader_ends():
    before = threading.active_count()
    stored = numbered(1000, 50, fails_at=7)
    with pytest.raises(OSError, match="the disk is gone"):
        order_of(BlockBatches(stored, 10, CPU))
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_an_interrupt_does_not_wait_for_a_slow_disk():
    class Slow(Recorded):
        def _read(self, start, stop):
            if start:
                time.sleep(5)
            return super()._read(start, stop)

    stored = Slow(np.zeros((20, 1), np.float32))
    stored._edges = np.arange(0, 21, 10)
    blocks, start = stored.blocks([0, 1]), time.perf_counter()
    next(blocks)
    with pytest.raises(KeyboardInterrupt):
        blocks.throw(KeyboardInterrupt)
    assert time.perf_counter() - start < 4


@given(st.integers(1, 500), st.integers(1, 80), st.integers(1, 60), st.integers(0, 60))
def test_edges_of_even_chunks(n_rows, chunk, most, more):
    edges = block_edges(chunk, n_rows, most, most + more)
    check_edges(edges, n_rows, most, most + more)
    if chunk <= most + more:
        assert not (edges[:-1] % chunk).any()


@given(
    st.lists(st.integers(1, 70), min_size=1, max_size=30),
    st.integers(1, 60),
    st.integers(0, 60),
)
def test_edges_of_uneven_chunks(lengths, most, more):
    chunks = np.cumsum([0, *lengths])
    edges = block_edges(chunks, chunks[-1], most, most + more)
    check_edges(edges, chunks[-1], most, most + more)
    if max(lengths) <= most + more:
        assert set(edges) <= set(chunks)
    # Two neighbours that fit into one block are one.
    whole = [e for e in edges if e in chunks]
    if max(lengths) <= most:
        sums = np.array(whole[2:]) - np.array(whole[:-2])
        assert (sums > most).all()


def check_edges(edges, n_rows, most, largest):
    sizes = np.diff(edges)
    assert edges[0] == 0
    assert edges[-1] == n_rows
    assert (sizes > 0).all()
    assert sizes.max() <= max(most, largest)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(1, 15))
def test_blocks_are_cut_anew(lengths, size):
    ends = np.cumsum([0, *lengths])
    blocks = [np.arange(a, b) for a, b in pairwise(ends)]
    cut = list(even_blocks(blocks, size))
    assert [len(b) for b in cut[:-1]] == [size] * (len(cut) - 1)
    joined = np.concatenate(cut) if cut else np.arange(0)
    assert np.array_equal(joined, np.arange(ends[-1]))


@given(st.integers(1, 200), st.integers(1, 50))
def test_parts_are_multiples_and_the_last_has_the_rest(n_rows, size):
    parts = [range(n_rows)[part] for part in in_parts(n_rows, size)]
    assert [i for part in parts for i in part] == list(range(n_rows))
    assert all(len(part) == size for part in parts[:-1])
    assert len(parts[-1]) >= min(size, n_rows)


def test_some_rows_are_from_all_over_and_not_held_out():
    stored = numbered(1000, 50)
    held_out = np.arange(0, 1000, 3)
    batches = BlockBatches(stored, 32, CPU, held_out=held_out).some(100)
    rows = batches.X[:, 0].astype(int)
    assert 50 <= len(rows) <= 100
    assert not set(rows) & set(held_out)
    assert rows.mean() == pytest.approx(500, abs=20)


def test_bytes_stay_bytes_in_the_buffer():
    stored = Recorded(np.arange(200, dtype=np.uint8)[:, None])
    seen = []
    batches = BlockBatches(stored, 50, CPU)
    original = batches._tensor
    batches._tensor = lambda rows: seen.append(rows.dtype) or original(rows)
    _, order = order_of(batches)
    assert set(seen) == {np.dtype(np.uint8)}
    assert np.array_equal(np.sort(order), np.arange(200))
