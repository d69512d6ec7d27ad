"""Mini-batches: every row once, in even batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skvae._training.batches import Batches, even_batch_size


def batches(n_rows, batch_size, rows=None):
    X = np.arange(n_rows, dtype=np.float32)[:, None]
    everything = Batches(X, batch_size, torch.device("cpu"))
    return everything if rows is None else everything.of(rows)


@given(st.integers(1, 5000), st.integers(1, 500))
def test_batches_are_no_more_than_needed_and_even(n_rows, largest):
    size = even_batch_size(n_rows, largest)
    n_batches = -(-n_rows // largest)
    assert 1 <= size <= largest
    assert -(-n_rows // size) <= n_batches
    assert size <= n_rows / n_batches + 1  # no larger than the mean, rounded up


@pytest.mark.parametrize(
    ("n_rows", "sizes"), [(133, [67, 66]), (256, [128, 128]), (5, [5])]
)
def test_every_row_comes_once_in_an_epoch(n_rows, sizes):
    generator = torch.Generator().manual_seed(0)
    parts = list(batches(n_rows, 128).shuffled(generator))
    assert [len(x) for x in parts] == sizes
    seen = torch.cat(parts).flatten().sort().values
    assert torch.equal(seen, torch.arange(n_rows).float())


def test_only_the_given_rows_are_visited():
    rows = torch.tensor([7, 2, 9])
    (first, second) = batches(20, 2, rows).ordered()
    assert torch.cat([first, second]).flatten().tolist() == [7, 2, 9]


def test_some_of_the_rows_are_not_placed_twice():
    everything = batches(20, 4)
    some = everything.of(torch.arange(3))
    assert some.resident is everything.resident
    assert (len(some), len(everything)) == (1, 5)
