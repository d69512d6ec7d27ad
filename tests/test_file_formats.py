"""Files of older formats are read, and those of newer ones are refused."""

import importlib
import inspect
import pkgutil
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from conftest import ESTIMATORS, assert_same, outputs, small
from saved_models import changed
from torch import nn

import skvae
from skvae import _version, likelihoods, networks, posteriors
from skvae._persistence import classes, formats
from skvae._persistence.formats import with_renamed_attribute
from skvae._utils import layers
from skvae.estimators import _files

FOLDER = Path(__file__).parent / "formats"
FILES = sorted(FOLDER.glob("*.skvae"))
WRITTEN = runpy.run_path(str(FOLDER / "write.py"))


@pytest.fixture
def path(tmp_path, fitted):
    path = tmp_path / "model.skvae"
    fitted.save(path)
    return path


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_of_all_formats_are_read(file):
    X = WRITTEN[{"plain": "rows", "table": "table"}[file.stem.split("_")[2]]]()
    model = skvae.load(file, device="cpu")
    found = WRITTEN["outputs"](model, X)
    with np.load(file.with_suffix(".npz")) as expected:
        assert found.keys() == set(expected)
        for name in expected:
            # Other processors and versions of torch round differently.
            np.testing.assert_allclose(found[name], expected[name], 1e-4, 1e-4)
    assert list(
        model.sample(3).columns if hasattr(X, "columns") else [0, 1, 2]
    ) == list(X.columns if hasattr(X, "columns") else range(3))


def test_there_are_files_of_every_format():
    numbers = {int(file.stem.split("_")[1]) for file in FILES}
    assert numbers == set(range(1, formats.FORMAT + 1)), (
        "Run: python tests/formats/write.py"
    )


def test_newer_format_is_refused_with_what_wrote_it(path):
    newer = formats.FORMAT + 2

    def change(document):
        document["format"] = newer
        document["versions"]["skvae"] = "7.8"

    changed(path, change)
    message = (
        rf"by skvae 7\.8 with format {newer}; this is skvae {_version.__version__}, "
        rf"which reads formats up to {formats.FORMAT}\. Upgrade skvae"
    )
    with pytest.raises(ValueError, match=message):
        skvae.load(path)


@pytest.mark.parametrize("number", [0, -1])
def test_format_that_never_was_is_refused(number, path):
    changed(path, lambda document: document.update(format=number))
    with pytest.raises(ValueError, match=f"there was no format {number}"):
        skvae.load(path)


def test_older_format_takes_every_step(path, monkeypatch, fitted, X):
    first = formats.FORMAT

    def older(document):
        renamed = with_renamed_attribute(document, "skvae.VAE", "_seed", "_number")
        return with_renamed_attribute(renamed, "skvae.Frame", "origin", "start")

    changed(path, older)
    with pytest.raises(AttributeError):
        outputs(skvae.load(path), X)
    steps = {
        first: lambda d: with_renamed_attribute(d, "skvae.VAE", "_number", "_seed"),
        first + 1: lambda d: with_renamed_attribute(
            d, "skvae.Frame", "start", "origin"
        ),
    }
    monkeypatch.setattr(formats, "FORMAT", first + 2)
    monkeypatch.setattr(formats, "MIGRATIONS", steps)
    assert_same(outputs(skvae.load(path), X), outputs(fitted, X))
    fitted.save(path)
    assert_same(outputs(skvae.load(path), X), outputs(fitted, X))


def test_parameter_that_is_new_has_its_default(path):
    def older(document):
        for written in document["objects"]:
            if written.get("class") == "skvae.VAE":
                del written["state"]["beta"]
            if written.get("class") == "skvae.GaussianLikelihood":
                del written["state"]["update"]

    changed(path, older)
    loaded = skvae.load(path)
    assert loaded.beta == 1.0
    assert loaded.likelihood_.update == "closed_form"


def test_renamed_attribute_is_that_of_one_class_only():
    objects = [
        {"class": "skvae.VAE", "state": {"a": 1, "b": 2}},
        {"class": "skvae.IWAE", "state": {"a": 1}},
        {"array": {"entry": "x"}},
    ]
    document = {"format": 1, "objects": objects, "root": None}
    found = with_renamed_attribute(document, "skvae.VAE", "a", "c")
    assert found["objects"] == [
        {"class": "skvae.VAE", "state": {"c": 1, "b": 2}},
        *objects[1:],
    ]
    assert list(found["objects"][0]["state"]) == ["c", "b"]
    assert objects[0]["state"] == {"a": 1, "b": 2}


def test_class_that_has_got_another_name_is_found(path, monkeypatch, fitted, X):
    content = path.read_bytes()
    changed(path, lambda d: rename(d, "skvae.Perceptron", "skvae.OldPerceptron"))
    assert path.read_bytes() != content
    with pytest.raises(ValueError, match=r"'skvae\.OldPerceptron' is no class"):
        skvae.load(path)
    monkeypatch.setitem(classes.FORMER_NAMES, "skvae.OldPerceptron", "skvae.Perceptron")
    assert_same(outputs(skvae.load(path), X), outputs(fitted, X))


def rename(document, old, new):
    for written in document["objects"]:
        if written.get("class") == old:
            written["class"] = new


def test_file_names_no_place_in_the_code(path):
    document = path.read_bytes().decode("latin1")
    names = set(re.findall(r'\\"class\\":\\"([^"]+)\\"', document))
    assert "skvae.VAE" in names
    assert all(re.fullmatch(r"(skvae|torch|sklearn)\.\w+", name) for name in names)


ROOMS = (networks, likelihoods, posteriors, skvae._distributions, skvae.densities)
# What a fit makes and no model keeps, and classes that others derive from.
NOT_KEPT = {"_Unfilled", "SingleRowMixin"}


def modules_of(room):
    found = pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
    return [importlib.import_module(info.name) for info in found]


def test_every_module_class_of_skvae_can_be_saved():
    places = [layers, *(module for room in ROOMS for module in modules_of(room))]
    own = {
        cls
        for place in places
        for cls in vars(place).values()
        if inspect.isclass(cls) and issubclass(cls, nn.Module)
        if cls.__module__ == place.__name__ and cls.__name__ not in NOT_KEPT
    }
    assert len(own) > 30
    missing = {cls.__qualname__ for cls in own} - {
        cls.__qualname__ for cls in classes.CLASSES.values()
    }
    assert not missing, f"Give these a name in skvae/_persistence/classes.py: {missing}"


def test_every_estimator_can_be_saved():
    assert set(ESTIMATORS) <= set(_files._CLASSES.values())


def test_names_of_classes_are_not_shared():
    named = [*classes._PUBLIC, *classes._PRIVATE, *classes._TORCH, *classes._SKLEARN]
    assert len(classes.CLASSES) == len(named)
    assert len(set(classes.CLASSES.values())) == len(named)


def test_attribute_of_today_is_in_the_files_of_today(path, X):
    """An attribute that is new needs a format that says what older files had."""
    model = small().fit(X)
    loaded = skvae.load(path)
    assert set(vars(loaded)) == set(vars(model))
    assert set(vars(loaded.module_)) == set(vars(model.module_))
