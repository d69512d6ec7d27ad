"""A model served without torch: exported to ONNX, run by another process.

The 1,797 digits of 8 x 8 pixels that ship with scikit-learn. A VAE is trained here, and
its encoder and decoder are written as two files. A fresh Python process reads them with
onnxruntime alone, and neither torch nor skvae is imported there. Prints how far its
codes and reconstructions are from those of the estimator.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skvae import VAE
from skvae.export import to_onnx

torch.set_num_threads(1)  # networks as small as these gain nothing from more
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Train, as ever.
X_train, X_test = train_test_split(load_digits().data, test_size=0.25, random_state=0)
vae = VAE(n_components=16, max_epochs=3 if SMALL else 100, random_state=0)
vae.fit(X_train)

# 2. Export. The files take pixels from 0 to 16: centring and scaling are inside.
SERVER = """
import sys
import numpy as np
import onnxruntime

encoder = onnxruntime.InferenceSession("encoder.onnx")
decoder = onnxruntime.InferenceSession("decoder.onnx")
(Z,) = encoder.run(None, {"X": np.load("X.npy")})
(X_decoded,) = decoder.run(None, {"Z": Z})
np.savez("served.npz", Z=Z, X_decoded=X_decoded)
assert not {"torch", "skvae", "sklearn"} & set(sys.modules)
print(f"a process with {len(sys.modules)} modules, none of them torch or skvae:")
"""
with tempfile.TemporaryDirectory() as folder:
    for part in ("encoder", "decoder"):
        path = Path(folder) / f"{part}.onnx"
        to_onnx(vae, path, part)
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    np.save(Path(folder) / "X.npy", X_test)

    # 3. Serve, in another process.
    subprocess.run([sys.executable, "-c", SERVER], cwd=folder, check=True)
    with np.load(Path(folder) / "served.npz") as served:
        Z, X_decoded = served["Z"], served["X_decoded"]

# 4. Compare.
errors = {
    "codes": np.abs(Z - vae.transform(X_test)).max(),
    "reconstructions": np.abs(X_decoded - vae.reconstruct(X_test)).max(),
}
for name, error in errors.items():
    print(f"{name} of {len(X_test)} digits differ by at most {error:.1e}")
assert max(errors.values()) < 1e-3
