"""The docstrings of estimators and parts say what there is."""

import ast
import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest
from conftest import ESTIMATORS

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "docs/write_docstrings.py"))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_shared_entries_are_up_to_date(cls):
    source = Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    assert SCRIPT["filled"](cls, source) == source, (
        "Run: python docs/write_docstrings.py"
    )


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_is_documented_with_its_default(cls):
    entries = SCRIPT["entries"](cls, "Parameters")
    parameters = inspect.signature(cls).parameters
    assert list(entries) == list(parameters)
    for name, parameter in parameters.items():
        stated = re.search(r"default=(.*)", entries[name])[1]
        assert ast.literal_eval(stated) == parameter.default, name


@pytest.mark.parametrize("room", ["likelihoods", "posteriors", "networks"])
def test_every_name_of_a_part_is_explained(room):
    module = importlib.import_module(f"skvae.{room}")
    explained = re.findall(r'- ``"(\w+)"``:', module.__doc__)
    assert explained == list(module.NAMES)
