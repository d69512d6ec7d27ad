"""Several processes: the model that two of them train is that of one.

    torchrun --nproc-per-node=2 examples/several_processes.py

Called plainly, the script starts itself like that, with two processes on this machine.
Both load the 1,797 digits of 8 x 8 pixels that ship with scikit-learn and fit the same
estimator with `distributed=True`: each trains on half of the rows of every batch. Then
the first one fits alone. Prints whether both have the same model, bit for bit, and how
much that differs from the one of a single process.
"""

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skvae import VAE

SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

if "RANK" not in os.environ:  # torchrun sets it
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    sys.exit(subprocess.call([*command, "--nproc-per-node=2", __file__]))

dist.init_process_group("gloo")
torch.set_num_threads(1)

# 1. The same data, in the same order, on every process: fit shares the rows itself.
X_train, X_test = train_test_split(load_digits().data, test_size=0.25, random_state=0)
n_epochs = 2 if SMALL else 60
model = VAE(n_components=16, max_epochs=n_epochs, distributed=True, random_state=0)

# 2. One fit, of all of them.
start = time.perf_counter()
model.fit(X_train)
seconds = time.perf_counter() - start
weights = torch.cat([t.flatten() for t in model.module_.state_dict().values()]).numpy()
digests = [None] * dist.get_world_size()
dist.all_gather_object(digests, hashlib.sha1(weights.tobytes()).hexdigest()[:8])

# 3. The same fit on one process. Without distributed=True nothing is shared, whatever
#    else runs.
if dist.get_rank() == 0:
    alone = clone(model).set_params(distributed=False)
    start = time.perf_counter()
    alone.fit(X_train)
    seconds_alone = time.perf_counter() - start
    expected = torch.cat([t.flatten() for t in alone.module_.state_dict().values()])
    difference = np.abs(weights - expected.numpy()).max() / np.abs(weights).max()
    print(f"{len(digests)} processes, digests of their weights: {', '.join(digests)}")
    print(f"the same model on all of them: {len(set(digests)) == 1}")
    print(f"largest difference from the fit of one process: {difference:.1e} of the")
    print("largest weight (float32 rounds to 6e-08)")
    print()
    print(f"{'':16}{'epochs':>8}{'nats per held-out row':>24}{'seconds':>10}")
    for name, fitted, s in (
        ("all processes", model, seconds),
        ("one process", alone, seconds_alone),
    ):
        score = fitted.score(X_test)
        print(f"{name:16}{fitted.n_epochs_:8}{score:24.3f}{s:10.1f}")
dist.barrier()
dist.destroy_process_group()
