import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def test_folder_of_examples_exists():
    assert EXAMPLES.is_dir()


def test_user_guide_lists_every_example():
    guide = (ROOT / "docs" / "user_guide.md").read_text()
    missing = [s.name for s in SCRIPTS if f"| `{s.name}` |" not in guide]
    assert not missing, "docs/user_guide.md has no row for them under Examples"


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs_at_small_size(script, tmp_path):
    environment = {
        **os.environ,
        "SKVAE_EXAMPLE_SIZE": "small",
        "MPLBACKEND": "Agg",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
