"""Set up a virtual environment in this folder and run the quickstart or the tests.

    python tasks.py quickstart    fit, score and draw handwritten digits
    python tasks.py test          lint, then all tests; options go on to pytest
    python tasks.py test --fast   the same without the tests marked slow

The environment is `.venv`, made with the Python that runs this file, or with the one
that the variable PYTHON names. What is installed already stays, so that a second call
is quick.
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
OLDEST = (3, 11)  # older ones must still be able to read this file, to be told so


def main(arguments: list) -> None:
    """Run the named task."""
    if arguments == ["quickstart"]:
        python = set_up("plot")
        run([python, os.path.join("examples", "quickstart.py")])
    elif arguments[:1] == ["test"]:
        python = set_up("test")
        run([python, "-m", "ruff", "check", "."])
        run([python, "-m", "ruff", "format", "--check", "."])
        # One process a core with one thread each: more threads only get in the way.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        run([python, "-m", "pytest", "-n", "auto", *pytest_options(arguments[1:])])
    else:
        sys.exit(__doc__.rstrip())


def pytest_options(arguments: list) -> list:
    """Return the options for pytest, with `--fast` in its words."""
    fast = ["-m", "not slow"] if "--fast" in arguments else []
    return [*fast, *(a for a in arguments if a != "--fast")]


def set_up(extra: str) -> str:
    """Return the environment's Python, with skvae and one of its extras installed."""
    base = os.environ.get("PYTHON") or sys.executable
    wanted = version_of(base)
    if wanted < OLDEST:
        sys.exit(
            f"skvae needs Python 3.11 or newer, but {base} is Python {dotted(wanted)}. "
            "Call this file with a newer one, for example: python3.12 tasks.py ..."
        )
    names = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    python = os.path.join(VENV, *names)
    if not works(python):
        run([base, "-m", "venv", VENV])
    elif version_of(python) != wanted:
        sys.exit(
            f"{VENV} was made with Python {dotted(version_of(python))}, but {base} is "
            f"Python {dotted(wanted)}. Delete that folder, or call with the same one."
        )
    # torch comes first and alone: pip then takes the build that its configuration
    # prefers (one without CUDA, say), and nothing later replaces it.
    install(python, "torch==2.13.0", "setuptools")
    install(python, "--no-build-isolation", "--editable", f".[{extra}]")
    return python


def install(python: str, *what: str) -> None:
    """Install with pip, at the versions of constraints.txt."""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--constraint", "constraints.txt", *what])


def version_of(python: str) -> tuple:
    """Return the version of an interpreter, such as (3, 11)."""
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        words = subprocess.check_output([python, "-c", code]).split()
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"{python!r} is not a Python that runs.")
    return int(words[0]), int(words[1])


def dotted(version: tuple) -> str:
    """Return a version as text, such as "3.11"."""
    return ".".join(map(str, version))


def works(python: str) -> bool:
    """Tell whether there is an interpreter with pip."""
    command = [python, "-m", "pip", "--version"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return os.path.exists(python) and subprocess.call(command, **quiet) == 0


def run(command: list) -> None:
    """Print and run a command in this folder; exit where it fails."""
    shown = [os.path.relpath(w, ROOT) if w.startswith(ROOT) else w for w in command]
    print("$ " + " ".join(shown), flush=True)
    code = subprocess.call(command, cwd=ROOT)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
