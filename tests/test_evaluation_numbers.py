"""Numbers in the text of a report: few letters, and never digits that mean nothing."""

import pytest

from skvae.evaluation._printing import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.500"),
        (999.0, "999"),
        (1234.5, "1234"),
        (-123456.0, "-123456"),
        (1e6, "1.00e+06"),
        (-1.234e23, "-1.23e+23"),
        (float("inf"), "inf"),
        (float("nan"), ""),
    ],
)
def test_huge_values_are_written_short(value, text):
    assert number(value) == text
