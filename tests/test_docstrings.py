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


COMMON = [
    *("network", "learning_rate", "lr_schedule", "batch_size", "max_epochs"),
    *("early_stopping", "validation_fraction", "n_iter_no_change", "precision"),
    *("compile", "device", "warm_start", "verbose", "random_state"),
]


def _parameter_texts(cls):
    """Return {parameter: its type and text} from a numpydoc class docstring."""
    doc = inspect.getdoc(cls)
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", doc, re.S | re.M
    )
    texts = {}
    for entry in re.split(r"^(?=\S)", section.group(1) if section else "", flags=re.M):
        head, _, text = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        texts.update({n.strip(): (kind, text.strip()) for n in names.split(",")})
    return texts


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_is_documented(cls):
    parameters = list(inspect.signature(cls).parameters)
    texts = _parameter_texts(cls)
    assert [name for name in parameters if name not in texts] == []
    assert [name for name in texts if name and name not in parameters] == []


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_documented_defaults_are_the_defaults(cls):
    texts = _parameter_texts(cls)
    for name, parameter in inspect.signature(cls).parameters.items():
        stated = re.search(r"default=(.+)$", texts[name][0])
        assert stated, f"{name} states no default"
        text, default = stated.group(1).strip("'\""), parameter.default
        is_real = isinstance(default, float)
        assert float(text) == default if is_real else text == str(default), name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_common_parameters_have_one_text(cls):
    reference, texts = _parameter_texts(ESTIMATORS[0]), _parameter_texts(cls)
    for name in COMMON:
        assert texts[name] == reference[name], name
