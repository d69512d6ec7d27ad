"""The first fit of a process imports nothing that takes longer than it does itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import skvae

# Prints the modules that each model loads, fitted and used in turn.
CODE = """
import json, sys, warnings
import numpy as np
import skvae
from skvae import *
from skvae.networks import *
from skvae.posteriors import FlowPosterior
warnings.simplefilter("ignore")
X = np.random.default_rng(0).integers(0, 256, (64, 64)) / np.float32(255)
small = dict(network=MLP((8,)), batch_size=32, max_epochs=2)
models = {
    "default": VAE(2, max_epochs=2),
    "early stopping": VAE(2, early_stopping=True, lr_schedule="plateau", **small),
    "cosine": VAE(2, lr_schedule="cosine", **small),
    "flows": VAE(2, posterior=FlowPosterior(), **small),
    "levels": VAE(2, likelihood="discretized_logistic", **small),
    "IWAE": IWAE(2, **small),
    "RAE": RAE(2, **small),
    "gradient penalty": RAE(2, regularizer="gradient_penalty", **small),
    "spectral RAE": RAE(2, regularizer="spectral_norm", **small),
    "WAE": WAE(2, **small),
    "WAE-GAN": WAE(2, divergence="gan", **small),
    "two stages": TwoStageVAE(2, second_stage=VAE(2, **small), **small),
}
for how in (None, "batch", "weight", "spectral"):
    network = ConvNet((2,), normalization=how, image_shape=(8, 8))
    models[f"ConvNet, {how}"] = VAE(2, network=network, batch_size=32, max_epochs=2)
loaded, before = {}, set(sys.modules)
for name, model in models.items():
    model.fit(X).set_params(warm_start=True).fit(X).fit(X)
    model.transform(X), model.sample(5), model.score_samples(X)
    loaded[name] = sorted(set(sys.modules) - before)
evaluate(models["cosine"], X[:40], X[40:])
loaded["evaluate"] = sorted(set(sys.modules) - before)
print(json.dumps(loaded))
"""


@pytest.mark.slow
def test_first_fits_do_without_the_compiler_of_torch():
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(skvae.__file__).parents[1],
    )
    assert run.returncode == 0, run.stderr
    loaded = json.loads(run.stdout)
    assert len(loaded) == 17
    late = ("torch", "sympy")
    found = {k: [m for m in v if m.startswith(late)] for k, v in loaded.items()}
    assert not any(found.values()), found
