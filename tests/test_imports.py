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
    ["_distributions", "networks", "metrics", "datasets", "densities"],
    ["likelihoods", "posteriors"],
    ["module"],
    ["losses"],
    ["_training"],
    ["estimators", "pipeline"],
    ["diagnostics", "scorers"],
    ["evaluation"],
    ["plotting"],
    ["__init__"],
]
LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODELS = {name for name, floor in LAYERS.items() if floor >= LAYERS["module"]}


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


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


def skvae_imports_of(path):
    for module, name, _ in imports_of(path):
        if module == "skvae":
            is_file = (PACKAGE / f"{name}.py").exists() or (
                PACKAGE / str(name)
            ).is_dir()
            yield name if is_file else "__init__"
        elif module.startswith("skvae."):
            yield module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
class TestImports:
    def test_point_downwards(self, path):
        room = module_of(path)
        assert room in LAYERS, f"{room} has no place in FLOORS"
        for name in skvae_imports_of(path):
            same = name == room
            assert same or LAYERS[name] < LAYERS[room], f"{path.name} imports {name}"

    def test_never_bring_a_model_into_the_training_loop(self, path):
        if path.parts[-2:] == ("_training", "loop.py"):
            assert not MODELS & set(skvae_imports_of(path))

    def test_are_absolute(self, path):
        assert not [m for m, _, _ in imports_of(path) if m.startswith(".")]

    def test_take_nothing_underscored_from_sklearn(self, path):
        for module, name, _ in imports_of(path):
            if module.split(".")[0] == "sklearn":
                parts = [*module.split("."), name or ""]
                assert not [p for p in parts if p.startswith("_")], (module, name)

    def test_bring_matplotlib_only_inside_functions(self, path):
        for module, _, inside in imports_of(path):
            if module.split(".")[0] == "matplotlib":
                assert inside


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "plotting").glob("*.py")), ids=lambda p: p.name
)
def test_displays_use_public_attributes_only(path):
    used = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.attr.startswith("_") and not node.attr.startswith("__")
        if node.value.id not in ("self", "cls")
    ]
    assert used == []


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


IMPORTING = """
import json, logging, random, signal, sys, threading, time, warnings
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
    assert not optional & set(imported["loaded"])


def test_importing_takes_no_longer_than_its_dependencies(imported):
    assert imported["own"] <= 0.1 * imported["dependencies"] + 0.3
