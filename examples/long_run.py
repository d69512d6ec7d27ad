"""A long run: what is left of a fit whose process is killed?

Handwritten digits that ship with scikit-learn, written to an HDF5 file, which is what
`fit` is given: a larger one it would read by blocks. A fit with `Checkpoint` runs in
a process of its own, which is killed with SIGKILL, as by a batch system whose time is
up: once in its first half, once in its second. The same call is then made again, and
goes on. Prints after which epoch it was killed, and whether the model that it comes to
has the bits of a fit that nobody has killed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture

from skvae import VAE
from skvae.callbacks import Checkpoint

torch.set_num_threads(1)  # the same number in every process, for the same bits
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"
N_EPOCHS = 12 if SMALL else 60


# 1. Data in a file.
X = load_digits().data.astype(np.uint8)


def write_rows(folder):
    with h5py.File(folder / "digits.h5", "w") as file:
        file["images"] = X


# 2. The call that is made again and again, word for word.
def fit(folder, *callbacks):
    model = VAE(
        16,
        max_epochs=N_EPOCHS,
        early_stopping=False,
        lr_schedule="cosine",
        latent_density=GaussianMixture(5),
        random_state=0,
    )
    model.set_callbacks(Checkpoint(folder / "run.ckpt"), *callbacks)
    with h5py.File(folder / "digits.h5") as file:
        return model.fit(file["images"])


class Diary:
    """Writes down which epochs are complete, and gives the killer time to look."""

    def __init__(self, path):
        self.path = path

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            with self.path.open("a") as file:
                file.write(f"{context.task_id + 1}\n")
            time.sleep(0.02)


def epochs_in(diary):
    return [int(line) for line in diary.read_text().split()] if diary.exists() else []


# 3. A process that is killed once it has come to some epoch.
def run_and_kill(folder, at):
    diary = folder / "diary.txt"
    process = subprocess.Popen([sys.executable, __file__, str(folder)])
    while process.poll() is None and at not in epochs_in(diary):
        time.sleep(0.005)
    process.kill()
    process.wait()
    print(f"killed after epoch {epochs_in(diary)[-1]} of {N_EPOCHS}")


def story():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder)
        for share in (1 / 4, 3 / 4):
            run_and_kill(folder, int(share * N_EPOCHS))
        n_before = len(epochs_in(folder / "diary.txt"))
        model = fit(folder, Diary(folder / "diary.txt"))  # here and now, to its end
        again = epochs_in(folder / "diary.txt")[n_before:]
        print(
            f"the same call goes on after epoch {again[0]} and ends after {again[-1]}"
        )
        whole = fit(folder)
        for what in ("transform", "score_samples"):
            same = np.array_equal(getattr(model, what)(X), getattr(whole, what)(X))
            print(f"{what} as without a break: {'the same bits' if same else 'OTHER'}")
            assert same
        print(f"files left: {[p.name for p in folder.glob('run.ckpt*')]}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        directory = Path(sys.argv[1])
        fit(directory, Diary(directory / "diary.txt"))
    else:
        story()
