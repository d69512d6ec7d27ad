"""The file of a checkpoint: damaged, foreign, or impossible to write."""

import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from conftest import make_data, small
from sklearn.base import clone
from test_checkpoint_refusals import assert_refused
from test_checkpoints import Killer, assert_same_fit, fit_again, fit_killed

from skvae.callbacks import Checkpoint, _file
from skvae.callbacks import checkpoint as callback
from skvae.likelihoods import GaussianLikelihood

X = make_data(120, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


# ---------------------------------------------------------------------- the file


def damaged(content, kind):
    if kind == "cut":
        return content[: len(content) // 2]
    if kind == "longer":
        return content + b"0"
    if kind == "empty":
        return b""
    if kind == "text":
        return b"epoch 3"
    if kind == "pickle":
        return pickle.dumps(small())
    if kind == "format":
        return content.replace(b'"format":"1"', b'"format":"2"')
    if kind == "kind":
        return content.replace(b"checkpoint of skvae", b"checkpoint of other")
    return (
        content[: -int(kind)]
        + bytes([content[-int(kind)] ^ 1])
        + content[1 - int(kind) :]
    )


KINDS = [
    "cut",
    "longer",
    "empty",
    "text",
    "pickle",
    "format",
    "kind",
    "5",
    "700",
    "3000",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_or_a_foreign_file_is_refused_and_left(kind, path):
    assert fit_killed(small(), path, 2)
    content = path.read_bytes()
    path.write_bytes(damaged(content, kind))
    assert path.read_bytes() != content
    assert_refused(small(), path, "format 2" if kind == "format" else "damaged|is no")


def test_a_bit_anywhere_makes_a_file_invalid(path):
    assert fit_killed(small(), path, 2)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=100):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"run\.ckpt"):
            callback.read_state(path)


# -------------------------------------------------------------- what cannot be written


def test_a_folder_that_does_not_exist_is_refused_at_once(tmp_path, no_training):
    model = small().set_callbacks(Checkpoint(tmp_path / "no" / "run.ckpt"))
    with pytest.raises(FileNotFoundError, match=r"create .*no\."):
        model.fit(X)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        small().set_callbacks(Checkpoint(tmp_path)).fit(X)


@pytest.mark.parametrize("fault", ["full", "gone", "replace"])
def test_a_file_that_cannot_be_written_is_one_warning(fault, path, monkeypatch):
    import safetensors.torch

    folder = path.parent / "folder"
    folder.mkdir()
    path, kept = folder / "run.ckpt", []

    def full(*_):
        kept.append(path.read_bytes())
        raise {
            "full": safetensors.SafetensorError("I/O error: No space left on device"),
            "replace": PermissionError("not allowed"),
        }[fault]

    class Breaking(Killer):
        def on_fit_task_end(self, estimator, context):
            self.n_epochs -= context.task_name == "epoch"
            if self.n_epochs == 0 and fault == "gone":
                shutil.rmtree(folder)
            elif self.n_epochs == 0 and fault == "full":
                monkeypatch.setattr(safetensors.torch, "save_file", full)
            elif self.n_epochs == 0:
                monkeypatch.setattr(os, "replace", full)

    model = small(max_epochs=6).set_callbacks(Checkpoint(path), Breaking(2))
    with pytest.warns(RuntimeWarning, match="could not be written") as told:
        model.fit(X)
    assert len([w for w in told if "could not be" in str(w.message)]) == 1
    assert len(set(kept)) == (fault != "gone")
    assert not folder.exists() or os.listdir(folder) == []
    assert_same_fit(model, small(max_epochs=6).fit(X))


def test_an_interrupted_write_leaves_the_file_and_nothing_else(path, monkeypatch):
    assert fit_killed(small(), path, 1)
    content = path.read_bytes()

    monkeypatch.setattr(callback, "write_state", write_interrupted())
    with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning):
        fit_again(small(), path)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def write_interrupted():
    def write(path, state, **options):
        def interrupted(*_):
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", interrupted)
            _file.write_state(path, state, **options)

    return write


def test_what_a_killed_process_left_is_deleted_in_the_end(path):
    left = path.with_name("run.ckpt.123-456.tmp")
    left.write_bytes(b"half")
    other = path.with_name("other.ckpt.1-2.tmp")
    other.write_bytes(b"half")
    fit_again(small(), path)
    assert os.listdir(path.parent) == [other.name]


class Telling(GaussianLikelihood):
    """A likelihood whose record is in numbers of other libraries."""

    def monitor(self):
        return {"one": np.float32(0.1), "other": torch.tensor(0.2)}


def test_numbers_of_any_library_are_written_down(path):
    model = small(likelihood=Telling(), max_epochs=3)
    assert fit_killed(model, path, 2)
    assert_same_fit(fit_again(model, path), clone(model).fit(X))


@pytest.mark.parametrize(
    ("options", "n_files"),
    [
        ({}, 9),
        ({"every_n_epochs": 3}, 3),
        ({"seconds": 0.0}, 9),
        ({"seconds": 1000}, 1),
        ({"every_n_epochs": 3, "seconds": 0.0}, 3),
        ({"every_n_epochs": 9}, 1),
    ],
)
def test_files_are_written_as_often_as_asked(options, n_files, path, monkeypatch):
    write, written = callback.write_state, []

    def counted(*args, **kwargs):
        written.append(1)
        write(*args, **kwargs)

    monkeypatch.setattr(callback, "write_state", counted)
    fit_again(small(max_epochs=8), path, **options)
    assert len(written) == n_files


def test_a_copy_that_is_made_in_a_fit_has_none_of_it(path):
    checkpoint, sizes = Checkpoint(path), []

    class Copying(Killer):
        def on_fit_task_end(self, estimator, context):
            sizes.append(len(pickle.dumps(checkpoint)))

    small().set_callbacks(checkpoint, Copying(0)).fit(X)
    assert max(sizes) < 1000
