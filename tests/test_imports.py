import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import skvae

PACKAGE = Path(skvae.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# From the bottom to the top; a room may import what stands on its own or a lower floor.
FLOORS = [
    ["_version", "_utils"],
    ["_distributions"],
    ["networks", "metrics", "datasets", "densities"],
    ["likelihoods", "posteriors"],
    ["module"],
    ["losses"],
    ["_training"],
    ["_persistence"],
    ["estimators", "pipeline", "callbacks"],
    ["diagnostics", "scorers", "compression", "export", "impute", "outliers"],
    ["evaluation"],
    ["plotting"],
    ["__init__"],
]
LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODELS = {name for name, floor in LAYERS.items() if floor >= LAYERS["module"]}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def imports_of(path):
    """Yield (module, name or None, inside a function) of every import."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = "." * node.level + (node.module or "")
                yield module, alias.name, id(node) in inside


def assert_none(offenders, rule):
    """Assert that nothing breaks a rule, else name everything that does."""
    assert not offenders, "\n".join([rule, *offenders])


IMPORTS = [(path, *found) for path in FILES for found in imports_of(path)]


def room_imported(module, name):
    """Return the room of skvae that an import is of, or None."""
    if module == "skvae":
        is_room = any((PACKAGE / n).exists() for n in (f"{name}.py", str(name)))
        return name if is_room else "__init__"
    return module.split(".")[1] if module.startswith("skvae.") else None


ROOMS_IMPORTED = [
    (path, room)
    for path, module, name, _ in IMPORTS
    if (room := room_imported(module, name))
]


def test_every_room_stands_on_a_floor():
    missing = {room_of(path) for path in FILES} - LAYERS.keys()
    assert_none(missing, "Give these rooms a place in FLOORS:")


def test_imports_point_downwards():
    upwards = [
        f"{name_of(path)} imports {room}"
        for path, room in ROOMS_IMPORTED
        if room != room_of(path) and LAYERS[room] >= LAYERS[room_of(path)]
    ]
    assert_none(upwards, "A room imports only from itself and from lower floors:")


THE_LOOP = [f"_training/{n}.py" for n in ("loop", "checkpoint", "schedules")]


def test_the_training_loop_imports_no_model():
    models = [
        f"{name_of(path)}: {room}"
        for path, room in ROOMS_IMPORTED
        if name_of(path) in THE_LOOP and room in MODELS - {"_training"}
    ]
    assert_none(models, "The training loop must not know models, but imports:")


def test_imports_are_absolute():
    relative = [f"{name_of(p)}: {m}" for p, m, *_ in IMPORTS if m.startswith(".")]
    assert_none(relative, "Imports must be absolute:")


def test_nothing_underscored_is_imported_from_sklearn():
    private = [
        f"{name_of(path)}: {module} {name or ''}"
        for path, module, name, _ in IMPORTS
        if module.split(".")[0] == "sklearn"
        if any(part.startswith("_") for part in [*module.split("."), name or ""])
    ]
    assert_none(private, "Private names of scikit-learn are imported:")


def test_matplotlib_is_imported_only_inside_functions():
    at_the_top = [
        f"{name_of(path)}: {module}"
        for path, module, _, inside in IMPORTS
        if module.split(".")[0] == "matplotlib" and not inside
    ]
    assert_none(at_the_top, "matplotlib must be imported inside functions:")


def test_displays_use_public_attributes_only():
    private = [
        f"{name_of(path)}:{node.lineno}: {node.value.id}.{node.attr}"
        for path in sorted((PACKAGE / "plotting").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.attr.startswith("_") and not node.attr.startswith("__")
        if node.value.id not in ("self", "cls")
    ]
    assert_none(private, "Displays use private attributes of models:")


def run_python(code, *options):
    run = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PACKAGE.parent,
    )
    assert run.returncode == 0, run.stderr
    return run


# Collections of garbage, which look through all of torch, fall into either part by
# chance, and are left out of the times.
IMPORTING = """
import gc, json, logging, random, signal, sys, threading, time, warnings
gc.disable()
start = time.process_time()
import torch, numpy, scipy, joblib, torch.optim.lr_scheduler
import sklearn.base, sklearn.callback, sklearn.exceptions, sklearn.utils.validation
dependencies = time.process_time() - start
import numpy as np, sklearn
def state():
    return {
        "root handlers": len(logging.getLogger().handlers),
        "loggers": [n for n, l in logging.root.manager.loggerDict.items()
                    if getattr(l, "handlers", None)],
        "filters": list(map(str, warnings.filters)),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads(),
                    threading.active_count()],
        "dtype": str(torch.get_default_dtype()),
        "device": str(torch.get_default_device()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "cudnn": [torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic,
                  torch.backends.cudnn.allow_tf32,
                  torch.backends.cuda.matmul.allow_tf32],
        "grad": torch.is_grad_enabled(),
        "validate": torch.distributions.Distribution._validate_args,
        "torch rng": torch.get_rng_state().tolist(),
        "numpy rng": np.random.get_state()[1].tolist(),
        "python rng": list(random.getstate()[1]),
        "errors": np.geterr(),
        "print": str(np.get_printoptions()),
        "sklearn": str(sklearn.get_config()),
        "signals": str([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]),
    }
before, modules = state(), set(sys.modules)
start = time.process_time()
import skvae
own = time.process_time() - start
after = state()
print(json.dumps({
    "changed": {k: [before[k], after[k]] for k in before if before[k] != after[k]},
    "loaded": sorted(set(sys.modules) - modules),
    "dependencies": dependencies,
    "own": own,
}))
"""


@pytest.fixture(scope="module")
def imported():
    return json.loads(run_python(IMPORTING).stdout)


def test_importing_changes_no_global_state(imported):
    assert imported["changed"] == {}


def test_importing_loads_no_optional_package(imported):
    optional = {"matplotlib", "pandas", "polars", "rich", "safetensors", "IPython"}
    optional |= {"constriction", "skvae.compression"}
    assert not optional & set(imported["loaded"])


def test_importing_takes_no_longer_than_its_dependencies(imported):
    assert imported["own"] <= 0.1 * imported["dependencies"] + 0.3
