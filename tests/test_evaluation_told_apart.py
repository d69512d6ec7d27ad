"""Samples that a nearest-neighbour classifier tells apart, and no more is known."""

from types import SimpleNamespace

import pytest

from skvae.evaluation._rows import make_row
from skvae.evaluation._sample_findings import _told_apart, sample_findings
from skvae.evaluation._words import Words


@pytest.mark.parametrize(
    ("low", "floor", "of_draws", "found"),
    [
        (0.76, 0.5, 0.9, True),
        (0.74, 0.5, 0.9, False),
        (0.76, 0.4, 0.9, True),
        (0.76, 0.55, 0.9, False),
        (0.9, 0.5, 0.7, False),
    ],
)
def test_by_a_quarter_more_than_real_rows_are(low, floor, of_draws, found):
    row = make_row("nearest_neighbour_accuracy", 0.95, (low, 1.0), floor, "0.5", "")
    samples = {"nearest_neighbour_accuracy": row}
    measured = SimpleNamespace(samples=samples, accuracy_of_draws=of_draws)
    assert bool([*_told_apart(measured)]) == found


@pytest.mark.parametrize("n_missing", [0, 0.2])
def test_only_if_no_finding_says_how_samples_differ(n_missing):
    names = ("precision", "recall", "coverage", "nearest_neighbour_accuracy")
    measured = SimpleNamespace(
        samples={name: make_row(name, 0.9, (0.9, 1), 0.5, "", "") for name in names},
        of_draws=None,
        accuracy_of_draws=0.9,
        modes=SimpleNamespace(missing=n_missing, share_of_samples=0, example=None),
        columns=SimpleNamespace(wrong=()),
        correlations=SimpleNamespace(lost=()),
        words=Words(None, None),
    )
    (text,) = sample_findings(measured)
    assert text.startswith("Missing modes" if n_missing else "Samples differ: 90%")
