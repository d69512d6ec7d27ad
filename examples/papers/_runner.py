"""What the scripts of this folder share: cells that are computed once, and a verdict.

An experiment is a list of cells and a function from a cell to a dict of figures. A cell
has a name, settings and a seed. Its figures are kept in a JSON file of their own, under
a name that depends on cell and scale: a run that was stopped goes on where it was, and
another cell is computed where the settings have changed. A file is there whole or not
at all, so that several runs may share a folder.

`_report.py` has the claims of a paper, and how a report is made of all figures.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from _report import SCALES, Claim, figures_of, report
from joblib import Parallel, delayed


@dataclass(frozen=True)
class Cell:
    """One unit of work: what is computed, with which settings and which seed."""

    name: str
    settings: dict[str, Any]
    seed: int

    def __str__(self):
        return f"{self.name}, seed {self.seed}"


@dataclass(frozen=True)
class Experiment:
    """Everything that a script says about its paper."""

    name: str
    paper: str
    scales: dict[str, dict[str, Any]]
    """Sizes by scale."""
    cells: Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
    """Sizes -> {name: settings}."""
    compute: Callable[[Cell, "Job"], dict[str, Any]]
    """A cell -> its figures: numbers for tables, lists of numbers for pictures."""
    claims: list[Claim]
    sides: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What -> (the paper's, ours as a format of the sizes)."""
    draw: Callable[[dict[int, Any]], Iterator[tuple[str, Any]]] | None = None
    """{seed: {cell: figures}} -> names and figures of matplotlib."""
    notes: str = ""


@dataclass(frozen=True)
class Job:
    """Where and how a run is done."""

    scale: str
    out: Path
    data: Path | None = None

    def save_picture(self, name, figure):
        """Write a figure of matplotlib as PNG."""
        path = self.out / f"{slug(name)}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_of(path)
        figure.savefig(partial, dpi=110, bbox_inches="tight", format="png")
        os.replace(partial, path)


def slug(name):
    """Return a name that a file may have."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def partial_of(path):
    """Return a name that no other process writes to."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def write(path, text):
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


# ------------------------------------------------------------------------------- cells


def file_of(cell, job):
    """Return the file of a cell, another one for other settings or another scale."""
    identity = json.dumps({"scale": job.scale, **asdict(cell)}, sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    return job.out / "cells" / f"{slug(cell.name)}-{cell.seed}-{digest}.json"


def finished(cell, job):
    """Return the record of a cell that was computed before, or None."""
    path = file_of(cell, job)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def computed(cell, job, compute):
    """Compute a cell, write its record, and return both."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)  # two processes are faster than two threads
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = compute(cell, job)
    seconds = round(time.process_time() - start, 1)
    record = {
        "scale": job.scale,
        **asdict(cell),
        "figures": figures,
        "seconds": seconds,
    }
    text = json.dumps(record, indent=1, default=lambda value: value.tolist())
    write(file_of(cell, job), text)
    return cell, json.loads(text)


def results_of(experiment, cells, job, n_jobs=1):
    """Return {seed: {cell: record}}, from files where there are any."""
    records = {str(cell): finished(cell, job) for cell in cells}
    todo = [cell for cell in cells if records[str(cell)] is None]
    n_done = len(cells) - len(todo)
    print(f"{n_done} cells are finished, {len(todo)} to compute", flush=True)
    calls = (delayed(computed)(cell, job, experiment.compute) for cell in todo)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for cell, record in progress(parallel(calls), len(todo)):
        records[str(cell)] = record
    by_seed = {seed: {} for seed in dict.fromkeys(cell.seed for cell in cells)}
    for cell in cells:
        by_seed[cell.seed][cell.name] = records[str(cell)]
    return by_seed


def progress(pairs, n):
    """Yield pairs of cell and record, with a line for each, and a bar on a terminal."""
    if sys.stdout.isatty() and find_spec("rich"):
        from rich.progress import track

        pairs = track(pairs, "cells", total=n)
    for i, (cell, record) in enumerate(pairs, 1):
        print(f"[{i}/{n}] {cell}: {record['seconds']:.0f} s", flush=True)
        yield cell, record


# ------------------------------------------------------------------------ command line


def main(experiment, arguments=None):
    """Run an experiment as the command line says, and return its report."""
    parser = argparse.ArgumentParser(description=experiment.paper)
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, help="folder of the images")
    parser.add_argument("--out", type=Path, help="default: results/PAPER/SCALE")
    parser.add_argument("--only", nargs="+", help="names of cells; * stands for any")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    options = parser.parse_args(arguments)
    out = options.out or Path("results", experiment.name, options.scale)
    job = Job(options.scale, out, options.data)
    settings = experiment.cells(experiment.scales[options.scale])
    names = [
        name
        for name in settings
        if any(fnmatch.fnmatchcase(name, p) for p in options.only or ["*"])
    ]
    if not names:
        parser.error(f"--only names no cell. There are: {'; '.join(settings)}")
    seeds = dict.fromkeys(options.seeds)
    cells = [Cell(name, settings[name], seed) for seed in seeds for name in names]
    results = results_of(experiment, cells, job, options.jobs)
    for name, figure in experiment.draw(figures_of(results)) if experiment.draw else ():
        job.save_picture(name, figure)
    text = report(experiment, results, options.scale)
    write(out / "report.md", text)
    print(f"\n{text}\nReport and pictures are in {out}.")
    return text
