"""Every change of a saved file is found before anything is read."""

import errno
import os
import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest
from conftest import small

import skvae
from skvae._persistence.container import Entry, packed, unpacked
from skvae._utils.files import write_whole
from skvae.networks import MLP

X = np.random.default_rng(0).random((40, 2), dtype=np.float32)


@pytest.fixture(scope="module")
def model():
    return small(n_components=1, network=MLP((2,)), max_epochs=1).fit(X)


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "model.skvae"
    model.save(path)
    return path


REFUSED = "is damaged|no file that skvae has saved"


def test_every_flipped_bit_of_a_file_is_refused():
    arrays = {"a": np.arange(3, dtype=np.float32), "b": np.arange(3, dtype=np.uint8)}
    entries = {
        "a": Entry("F32", (3,), arrays["a"]),
        "b": Entry("U8", (3,), arrays["b"]),
    }
    content = b"".join(map(bytes, packed({"format": 1, "root": [1.5]}, entries)))
    assert b"} " in content  # there is padding, too
    document, found = unpacked(content)
    assert (document["format"], document["root"]) == (1, [1.5])
    assert bytes(found["a"].data) == arrays["a"].tobytes()
    assert bytes(found["b"].data) == arrays["b"].tobytes()
    for i in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[i // 8] ^= 1 << i % 8
        with pytest.raises(ValueError, match=REFUSED):
            unpacked(bytes(damaged))


def test_every_damaged_byte_of_a_model_is_refused(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    changes = rng.integers(1, 256, len(content), dtype=np.uint8)
    for i, change in enumerate(changes.tolist()):
        damaged = bytearray(content)
        damaged[i] ^= change
        with pytest.raises(ValueError, match=REFUSED):
            unpacked(bytes(damaged))
    for i in rng.integers(len(content), size=20).tolist():
        damaged = bytearray(content)
        damaged[i] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=REFUSED):
            skvae.load(path)


def test_file_of_another_length_is_refused(path):
    content = path.read_bytes()
    lengths = [0, 1, 7, 8, 30, 60, 120, len(content) // 2, len(content) - 1]
    for other in [content[:n] for n in lengths] + [content + b"\0", content + b" "]:
        path.write_bytes(other)
        with pytest.raises(ValueError, match=REFUSED):
            skvae.load(path)


def test_other_files_are_refused_with_what_reads_them(path, model):
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(ValueError, match=r"(?s)no file that skvae.*pickle\.load"):
        skvae.load(path)


def test_file_that_is_not_there_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError):
        skvae.load(path.with_name("other"))


def test_file_in_a_folder_that_is_not_there_is_an_error_of_the_system(path, model):
    with pytest.raises(FileNotFoundError):
        model.save(path.parent / "other" / "model.skvae")


@pytest.mark.parametrize("form", [str, os.fspath, lambda path: path])
def test_path_may_be_a_string_or_a_path(form, path, model):
    model.save(form(path))
    assert skvae.load(form(path)).n_epochs_ == 1


def broken():
    yield b"abc"
    raise OSError(errno.ENOSPC, "No space left on device")


def test_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "file"
    write_whole(path, [b"old", b" content"])
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, broken())
    assert path.read_bytes() == b"old content"
    assert list(tmp_path.iterdir()) == [path]


def test_file_is_not_seen_before_it_is_complete(tmp_path):
    path = tmp_path / "file"

    def chunks():
        yield b"abc"
        assert not path.exists()
        assert len(list(tmp_path.iterdir())) == 1
        yield b"def"

    write_whole(path, chunks())
    assert path.read_bytes() == b"abcdef"


def test_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, calls = tmp_path / "file", []
    sync, replace = os.fsync, os.replace

    def noted(call, name):
        return lambda *arguments: calls.append(name) or call(*arguments)

    monkeypatch.setattr(os, "fsync", noted(sync, "sync"))
    monkeypatch.setattr(os, "replace", noted(replace, "replace"))
    write_whole(path, [b"abc"])
    assert calls == ["sync", "replace"]


def test_interrupt_leaves_no_file_behind(tmp_path):
    def interrupted():
        yield b"abc"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", interrupted())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="modes and links of POSIX")
def test_new_file_has_the_rights_of_the_old_one_and_links_stay(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    mask = os.umask(0o027)
    write_whole(path, [b"1"])
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    link.symlink_to(path)
    write_whole(link, [b"2"])
    assert link.is_symlink()
    assert path.read_bytes() == b"2"
    assert path.stat().st_mode & 0o777 == 0o600


FULL_DISK = """
import resource, signal, sys
import skvae
model = skvae.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    model.save(sys.argv[1])
except OSError as error:
    print("OSError", error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="limits of POSIX")
def test_full_disk_leaves_the_old_file(path):
    content = path.read_bytes()
    assert len(content) > 2000
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.startswith("OSError"), run.stderr
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]
