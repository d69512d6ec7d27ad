"""Data larger than memory: a fit to an HDF5 file that is read block by block.

The file is written one batch after the other, as by an instrument or a simulation, and
read by blocks: once before training, and once in each epoch. Prints how large the file
is, how much memory the fit took beside, and the log-likelihood of new rows under the
model, under PCA fitted to the first batch, and under the density that the rows are
drawn from.

What to look for: memory stays far below the size of the file, and the rows come sorted,
from one end of a curve to the other, without harm to the model.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from sklearn.decomposition import PCA

from skvae import VAE
from skvae.networks import MLP

torch.set_num_threads(1)
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"
N_ROWS, N_FEATURES, BATCH, N_EPOCHS = 100_000, 256, 10_000, 5
if SMALL:  # so few rows that they are read at once
    N_ROWS, BATCH, N_EPOCHS = 3_000, 500, 2

# 1. Rows: points on a curve, seen by 256 instruments with noise. Time goes on from
# batch to batch, so that the file is sorted.
rng = np.random.default_rng(0)
directions = rng.normal(size=(4, N_FEATURES))
NOISE = 0.5


def observe(times):
    curve = [np.cos(times), np.sin(times), np.cos(3 * times), np.sin(3 * times)]
    rows = np.stack(curve, axis=1) @ directions
    return (rows + NOISE * rng.normal(size=rows.shape)).astype(np.float32)


# 2. The file. Chunks have whole rows, a few hundred of them.
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "rows.h5"
times = np.linspace(0, 2 * np.pi, N_ROWS)
with h5py.File(path, "w") as file:
    rows = file.create_dataset(
        "rows", (N_ROWS, N_FEATURES), np.float32, chunks=(500, N_FEATURES)
    )
    for start in range(0, N_ROWS, BATCH):
        rows[start : start + BATCH] = observe(times[start : start + BATCH])
print(f"file: {path.stat().st_size / 2**20:.0f} MB")


# 3. Memory of this process that is no page of a file (as far as the system tells).
def memory():
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(x.split()[1]) / 1024 for x in lines if "RssAnon" in x), 0.0)


def watch(found):
    while "end" not in found:
        found["most"] = max(found.get("most", 0.0), memory())
        time.sleep(0.02)


# 4. The fit. Early stopping holds out rows that are kept in memory.
X_new = observe(rng.uniform(0, 2 * np.pi, 2_000))
model = VAE(4, network=MLP((64, 64)), max_epochs=N_EPOCHS, verbose=1, random_state=0)
with h5py.File(path) as file:
    before, found = memory(), {}
    watcher = threading.Thread(target=watch, args=(found,))
    watcher.start()
    try:
        model.fit(file["rows"])
    finally:
        found["end"] = True
        watcher.join()
    pca = PCA(4).fit(file["rows"][:BATCH])
print(f"memory beside the file: {found['most'] - before:.0f} MB")

# 5. The density of the rows: a normal distribution around each point of the curve.
grid = np.linspace(0, 2 * np.pi, 2_000, endpoint=False)
curve = np.stack([f(k * grid) for k in (1, 3) for f in (np.cos, np.sin)], 1)
means = curve @ directions
squares = (X_new**2).sum(1)[:, None] - 2 * X_new @ means.T + (means**2).sum(1)
log_density = -squares / (2 * NOISE**2) - N_FEATURES * np.log(
    NOISE * np.sqrt(2 * np.pi)
)
truth = np.logaddexp.reduce(log_density, axis=1) - np.log(len(grid))

print("\nlog-likelihood of new rows, nats")
print(f"{'the density itself':28}{truth.mean():10.1f}")
print(f"{'VAE, fitted to the file':28}{model.score(X_new):10.1f}")
print(f"{'PCA of the first batch':28}{pca.score(X_new):10.1f}")
folder.cleanup()
