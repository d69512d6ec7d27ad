import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAPERS = ROOT / "examples" / "papers"
SCRIPTS = sorted(p.stem for p in PAPERS.glob("[!_]*.py"))
sys.path.append(str(PAPERS))  # as for a script that is run

import _report  # noqa: E402
import _runner  # noqa: E402
from _report import NOT_TESTABLE, Claim  # noqa: E402
from _runner import Cell, Experiment, Job, main  # noqa: E402

CALLS = []


def count(cell, job):
    CALLS.append(str(cell))
    if cell.settings.get("fails"):
        raise RuntimeError("the machine has gone down")
    size = cell.settings["size"]
    return {"double": np.float32(2 * size + cell.seed), "curve": np.arange(2)}


def make(sizes=(1, 2), fails=False, **changes):
    """Return an experiment of one cell by size; the last may fail."""

    def cells(scale):
        last = sizes[-1]
        return {
            f"size {n}": {"size": n * scale["factor"]}
            | ({"fails": True} if fails and n == last else {})
            for n in sizes
        }

    return Experiment(
        name="counts",
        paper="A paper",
        scales={"smoke": {"factor": 1}, "cpu": {"factor": 1}, "full": {"factor": 9}},
        cells=cells,
        compute=count,
        claims=changes.pop("claims", []),
        sides={"factor": ("100", "{factor}")},
        **changes,
    )


@pytest.fixture
def run(tmp_path):
    """Return a function that runs an experiment and counts the cells it computes."""

    def run(experiment, *arguments, scale="cpu"):
        CALLS.clear()
        text = main(experiment, ["--out", str(tmp_path), "--scale", scale, *arguments])
        return list(CALLS), text

    return run


def files(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


# ------------------------------------------------------------------------------ cells


def test_a_finished_cell_is_not_computed_again(run):
    assert run(make())[0] == ["size 1, seed 0", "size 2, seed 0"]
    calls, text = run(make())
    assert calls == []
    assert re.search(r"size 2 +\| 4 ", text)


def test_a_cell_whose_settings_have_changed_is_computed_again(run):
    run(make())
    changed = make()
    cells = {"size 1": {"size": 1}, "size 2": {"size": 7}}
    calls, text = run(replace(changed, cells=lambda sizes: cells))
    assert calls == ["size 2, seed 0"]
    assert re.search(r"size 2 +\| 14 ", text)


def test_another_scale_is_computed_anew_even_at_equal_settings(run):
    run(make(), scale="smoke")
    assert len(run(make(), scale="cpu")[0]) == 2
    assert run(make(), scale="smoke")[0] == []  # and the first one is still there


def test_seeds_are_cells_of_their_own(run):
    run(make())
    calls, text = run(make(), "--seeds", "0", "1", "1")
    assert calls == ["size 1, seed 1", "size 2, seed 1"]
    assert re.search(r"size 2 +\| 4\.5 ± 0\.71 ", text)


def test_a_run_that_was_killed_goes_on_where_it_was(run, tmp_path):
    with pytest.raises(RuntimeError, match="gone down"):
        run(make(sizes=(1, 2, 3), fails=True))
    assert CALLS == ["size 1, seed 0", "size 2, seed 0", "size 3, seed 0"]
    assert len(list((tmp_path / "cells").glob("*.json"))) == 2
    assert run(make(sizes=(1, 2, 3)))[0] == ["size 3, seed 0"]


def test_only_chooses_cells_by_pattern(run):
    experiment = make(sizes=(1, 2, 12))
    assert run(experiment, "--only", "* 1*")[0] == ["size 1, seed 0", "size 12, seed 0"]
    with pytest.raises(SystemExit):
        run(experiment, "--only", "size 3")


@pytest.mark.slow
def test_cells_run_in_several_processes(run, tmp_path):
    code = (
        "import os\n"
        "from _runner import Experiment, main\n"
        "def compute(cell, job): return {'process': os.getpid()}\n"
        "cells = lambda sizes: {f'cell {n}': {'n': n} for n in range(3)}\n"
        "if __name__ == '__main__':\n"
        "    main(Experiment('x', 'y', {'cpu': {}}, cells, compute, []))\n"
        "    print('parent', os.getpid())\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    printed = process(script, "--jobs", "2", "--out", str(tmp_path / "out"))
    parent = int(printed.split("parent ")[1])
    records = map(Path.read_text, (tmp_path / "out" / "cells").glob("*.json"))
    processes = [json.loads(text)["figures"]["process"] for text in records]
    assert len(processes) == 3
    assert parent not in processes


def test_a_record_holds_what_it_was_computed_from(run, tmp_path):
    run(make(sizes=(3,)), "--seeds", "5")
    (path,) = (tmp_path / "cells").glob("*.json")
    record = json.loads(path.read_text())
    assert record.pop("seconds") >= 0
    assert record == {
        "scale": "cpu",
        "name": "size 3",
        "settings": {"size": 3},
        "seed": 5,
        "figures": {"double": 11.0, "curve": [0, 1]},
    }


def test_results_have_a_folder_by_paper_and_scale(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(make(), ["--scale", "smoke"])
    assert (tmp_path / "results" / "counts" / "smoke" / "report.md").exists()


def test_progress_is_a_line_for_each_cell_and_a_bar_on_a_terminal(
    run, monkeypatch, capsys
):
    run(make())
    printed = capsys.readouterr().out
    assert "0 cells are finished, 2 to compute" in printed
    assert "[1/2] size 1, seed 0: 0 s\n[2/2] size 2, seed 0: 0 s" in printed
    bars = []

    def track(pairs, description, total):
        bars.append(total)
        return pairs

    monkeypatch.setattr("rich.progress.track", track)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    run(make(sizes=(3, 4, 5)))
    assert bars == [3]
    assert "[3/3] size 5, seed 0: 0 s" in capsys.readouterr().out


# -------------------------------------------------------------------------- writing


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.md"
    _runner.write(path, "before")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        _runner.write(path, "after")
    assert path.read_text() == "before"
    monkeypatch.undo()
    _runner.write(path, "after")
    assert path.read_text() == "after"


def test_what_was_written_in_part_is_no_finished_cell(tmp_path, monkeypatch):
    cell, job = Cell("a", {"size": 1}, 0), Job("cpu", tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: None)
    _runner.computed(cell, job, count)
    assert _runner.finished(cell, job) is None


def test_pictures_are_saved_as_png(run, tmp_path):
    def draw(results):
        from matplotlib.figure import Figure

        assert results == {0: {"size 1": {"double": 2, "curve": [0, 1]}}}
        yield "My Picture", Figure()

    run(make(sizes=(1,), draw=draw))
    assert (tmp_path / "my-picture.png").read_bytes()[:4] == b"\x89PNG"
    assert [n for n in files(tmp_path) if n.startswith(".")] == []


# -------------------------------------------------------------------------- verdicts


def double(figures):
    return figures["size 2"]["double"]


CLAIM = Claim("doubled", "about 4", double, low=4, high=5)


def test_a_claim_without_a_figure_of_ours_is_not_testable(run):
    _, text = run(make(claims=[Claim("FID", "9.8", unit="needs a network")]))
    line = text.splitlines()[-1]
    assert line.split(" | ")[-1].rstrip(" |") == NOT_TESTABLE
    assert "needs a network" in line


def test_the_table_shows_rule_spread_and_number_of_seeds(run):
    experiment = make(claims=[CLAIM])
    *_, last = run(experiment)[1].splitlines()
    assert "4 (one seed, no spread) | >= 4 and <= 5 | reproduced" in last
    *_, last = run(experiment, "--seeds", "0", "1")[1].splitlines()
    assert "4.5 ± 0.71 (2 seeds) | >= 4 and <= 5 | reproduced" in last


def test_a_claim_about_cells_that_were_left_out_is_not_testable(run):
    *_, last = run(make(claims=[CLAIM]), "--only", "size 1")[1].splitlines()
    assert "not computed, or undefined" in last
    assert NOT_TESTABLE in last


def test_the_report_prints_the_sizes_of_both_sides(run, tmp_path):
    _, text = run(make(), scale="full")
    assert "| factor | 100   | 9    |" in text
    assert (tmp_path / "report.md").read_text() == text


# -------------------------------------------------------------------------- scripts


def process(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), *arguments],
        env={
            **os.environ,
            "MPLBACKEND": "Agg",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(PAPERS), *sys.path]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def experiment_of(name):
    return importlib.import_module(name).EXPERIMENT


def test_there_is_a_script_for_every_paper():
    assert SCRIPTS == [
        "latent_dimension",
        "nearest_neighbour_matching",
        "regularized_autoencoders",
        "tutorial",
        "two_stage_vae",
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_inception_is_named_where_it_is_behind_a_published_figure(name):
    for claim in experiment_of(name).claims:
        rests_on_inception = "FID" in claim.published or "Inception" in claim.published
        assert rests_on_inception == ("Inception features" in claim.published)
        if rests_on_inception and claim.ours:
            assert claim.unit == "in classifier features", claim.text


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("scale", _report.SCALES)
def test_cells_are_settings_of_json_and_sides_are_formats_of_sizes(name, scale):
    experiment = experiment_of(name)
    sizes = experiment.scales[scale]
    assert json.dumps(experiment.cells(sizes))
    for _, ours in experiment.sides.values():
        assert ours.format(**sizes)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_at_smoke_scale(name, tmp_path):
    report = process(PAPERS / f"{name}.py", "--scale", "smoke", "--out", str(tmp_path))
    experiment = experiment_of(name)
    n_cells = len(experiment.cells(experiment.scales["smoke"]))
    assert len(list((tmp_path / "cells").glob("*.json"))) == n_cells
    assert list(tmp_path.glob("*.png"))
    lines = report.splitlines()
    for claim in experiment.claims:
        (line,) = [line for line in lines if line.startswith(f"| {claim.text} ")]
        assert "not computed" not in line
        if claim.scale == "smoke":  # these are exact
            assert line.rstrip(" |").endswith("| reproduced")
