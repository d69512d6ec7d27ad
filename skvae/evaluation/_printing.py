"""Tables of reports, as text and as data frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


class Table:
    """A result that has ``rows``, named tuples that begin with the name of a figure."""

    rows: tuple[Any, ...]

    def __getitem__(self, figure: str) -> Any:
        for row in self.rows:
            if row.figure == figure:
                return row
        known = ", ".join(row.figure for row in self.rows)
        raise KeyError(f"figure must be one of {known}, got {figure!r}.")

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame, figures as its index.

        Returns
        -------
        frame : pandas.DataFrame
            With the fields of the rows as columns.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_frame needs pandas, which is not installed. Install it with "
                "`pip install pandas`, or read the rows."
            ) from None
        return pandas.DataFrame(list(self.rows)).set_index("figure")


def as_lines(cells: Sequence[Sequence[str]], numeric: Sequence[int]) -> list[str]:
    """Align cells in columns, those of numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def number(value: float) -> str:
    """Write a number with three digits, or all those of a whole one; nan as nothing."""
    if math.isnan(value):
        return ""
    if abs(value) >= 1e7:
        return f"{value:.3g}"
    whole = 1000 <= abs(value) < 1e6
    return f"{value:.0f}" if whole else f"{value:#.3g}".rstrip(".")
