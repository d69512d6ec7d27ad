"""Claims of a paper, verdicts, and tables in Markdown.

A claim is a function from the figures of one seed to a number, and the interval in
which the number must lie. The verdict follows from the mean over seeds.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WORDS = {
    "smoke": "toy sizes, scikit-learn's digits for all images; tries the code",
    "cpu": "small networks and fewer rows, for two cores",
    "full": "the paper's sizes",
}
SCALES = tuple(WORDS)
NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Claim:
    """What a paper says, and when a number of ours agrees: from `low` to `high`.

    `ours` is given {cell: {figure: value}} of one seed; None is for what needs data or
    networks that are not here. `scale` is the smallest at which the claim is judged.
    """

    text: str
    published: str
    ours: Callable[[dict[str, Any]], float] | None = None
    low: float = -np.inf
    high: float = np.inf
    scale: str = "cpu"
    unit: str = ""

    def rule(self):
        """Return the rule in words."""
        if self.ours is None:
            return ""
        ends = [f">= {self.low:g}", f"<= {self.high:g}"]
        return " and ".join(
            end
            for end, x in zip(ends, (self.low, self.high), strict=True)
            if abs(x) < np.inf
        )

    def values(self, results):
        """Return the number of every seed that has one.

        None is there of cells that were not asked for; it is NaN where it is undefined.
        """
        found = []
        for figures in results.values() if self.ours else ():
            with contextlib.suppress(KeyError):
                found.append(float(self.ours(figures)))
        return [value for value in found if not np.isnan(value)]

    def verdict(self, values, scale):
        """Return the verdict, which depends on nothing but these."""
        too_small = SCALES.index(scale) < SCALES.index(self.scale)
        if too_small or not values:  # no values: ours is None, or --only left out cells
            return NOT_TESTABLE
        agrees = self.low <= np.mean(values) <= self.high
        return "reproduced" if agrees else "not reproduced"


def mean_and_spread(values):
    """Return a mean with the standard deviation over seeds, where there are several."""
    if len(values) < 2:
        return f"{values[0]:.4g}" if values else "-"
    return f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g}"


def markdown(header, rows):
    """Return a table in Markdown, with columns of even width."""
    rows = [[str(entry) for entry in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = (
        " | ".join(e.ljust(w) for e, w in zip(row, widths, strict=True)) for row in rows
    )
    return "\n".join(f"| {line} |" for line in lines)


def tables_of_figures(results):
    """Yield a table for all cells that have figures of the same names."""
    groups = {}
    for cells in results.values():
        for name, record in cells.items():
            numbers = {k: v for k, v in record["figures"].items() if np.isscalar(v)}
            rows = groups.setdefault(tuple(numbers), {})
            rows.setdefault(name, []).append([*numbers.values(), record["seconds"]])
    for keys, rows in groups.items():
        yield markdown(
            ["", *keys, "CPU seconds"],
            [
                [name, *map(mean_and_spread, map(list, zip(*values, strict=True)))]
                for name, values in rows.items()
            ],
        )


def figures_of(results):
    """Return {seed: {cell: {figure: value}}}."""
    return {
        seed: {name: record["figures"] for name, record in cells.items()}
        for seed, cells in results.items()
    }


def table_of_claims(experiment, results, scale):
    """Return claim, published figure, ours, rule and verdict."""
    figures, rows = figures_of(results), []
    for claim in experiment.claims:
        values = claim.values(figures)
        seeds = f"{len(values)} seeds" if len(values) > 1 else "one seed, no spread"
        ours = f"{mean_and_spread(values)} {claim.unit}".strip() + f" ({seeds})"
        missing = "not computed, or undefined" if claim.ours else claim.unit
        ours = ours if values else missing
        verdict = claim.verdict(values, scale)
        rows.append([claim.text, claim.published, ours, claim.rule(), verdict])
    return markdown(["claim", "published", "ours", "rule", "verdict"], rows)


def report(experiment, results, scale):
    """Return everything that a run says, as Markdown."""
    sizes = experiment.scales[scale]
    sides = [[k, p, ours.format(**sizes)] for k, (p, ours) in experiment.sides.items()]
    title = f"# {experiment.paper}\n\nScale: {scale} ({WORDS[scale]})."
    parts = [title, experiment.notes, markdown(["", "paper", "here"], sides)]
    parts += tables_of_figures(results)
    parts.append(table_of_claims(experiment, results, scale))
    return "\n\n".join(filter(None, parts)) + "\n"
