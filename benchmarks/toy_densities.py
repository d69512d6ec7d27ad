"""Importance-sampled NLL of VAE and IWAE on three densities in the plane.

Prints bits by density, model and seed, beside the published figures (Yu, "A Tutorial on
VAEs", arXiv 2006.10273, tables 1 and 2) and the entropy, the least that is possible.
The NLL is the entropy plus the mean of log p(x) - log p_model(x) over fresh draws, with
250 importance samples a row; its standard error stands in brackets. Times are CPU
seconds of `fit` on one thread.

    python benchmarks/toy_densities.py             # five seeds of every model
    python benchmarks/toy_densities.py --ablate    # the same models, one change each

`--share 0.2` takes a fifth of the steps, `--seeds 0 1` these seeds.
"""

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skvae import IWAE, VAE
from skvae.datasets import Checkerboard, EightGaussians, TwoSpirals
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork

DENSITIES = {
    "8 gaussians": (EightGaussians(), {"VAE": -1.87, "IWAE": -1.91}),
    "checkerboard": (Checkerboard(), {"VAE": -0.81, "IWAE": -0.87}),
    "2 spirals": (TwoSpirals(), {"VAE": -2.15, "IWAE": -2.29}),
}
N_EPOCHS = 20


class DenseBlock(nn.Module):
    """Layers that see the input and all layers before them, as in the tutorial's code.

    Maps (n, 2) to two means and two log scales. At the start the means are the input
    plus `gain` times what the layers give, and the log scales lie around `log_scale`.
    A `gain` of None leaves the output layer as torch starts it.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        log_scale: float,
        gain: float | None,
        activation: str,
    ) -> None:
        super().__init__()
        self.activation = getattr(F, activation)
        self.hidden = nn.ModuleList(
            nn.Linear(2 + i * width, width) for i in range(depth)
        )
        self.output = nn.Linear(2 + depth * width, 4)
        with torch.no_grad():
            self.output.bias.zero_()
            self.output.bias[2:] = log_scale
            if gain is not None:
                self.output.weight.mul_(gain)
                self.output.weight[:2, :2] += torch.eye(2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = torch.cat([x, self.activation(layer(x))], -1)
        return self.output(x)


def dense(
    encoder_scale: float,
    decoder_scale: float,
    gain: float | None = 0.3,
    activation: str = "relu",
) -> CustomNetwork:
    """Return a network of dense blocks; the scales are logarithms.

    That of the encoder is relative to the prior, that of the decoder to where the
    likelihood starts, exp(-1) of the data's spread.
    """

    def make(log_scale: float) -> Callable[[int, int], nn.Module]:
        return lambda n_in, n_out: DenseBlock(64, 3, log_scale, gain, activation)

    return CustomNetwork(make(encoder_scale), make(decoder_scale))


SHARED = {
    "likelihood": GaussianLikelihood(scale="predicted"),
    "learning_rate": 3e-3,
    "lr_schedule": "cosine",
    "device": "cpu",
    "max_epochs": N_EPOCHS,
}
MODELS = {
    "IWAE": IWAE(
        2,
        n_importance_samples=10,
        gradient="dreg",
        network=dense(-2, -1),
        batch_size=100,
        **SHARED,
    ),
    "VAE": VAE(2, kl_warmup=0, network=dense(-3, -2), batch_size=200, **SHARED),
}
N_STEPS = {"IWAE": 12_000, "VAE": 10_000}
# What a network of the user starts with: an output layer like all others.
USUAL = dense(0, 0, gain=None)
FOUR_LAYERS = MLP((64, 64, 64, 64), activation="relu", skip=False)
CHANGES = {
    "IWAE": {
        "none": {},
        "usual start": {"network": USUAL},
        "usual start, 5 samples": {"network": USUAL, "n_importance_samples": 5},
        "SiLU": {"network": dense(-2, -1, activation="silu")},
        "MLP": {"network": FOUR_LAYERS},
        "learning rate 1e-3": {"learning_rate": 1e-3},
        "gradient standard": {"gradient": "standard"},
    },
    "VAE": {
        "none": {},
        "usual start": {"network": USUAL},
        "usual start, free bits": {"network": USUAL, "free_bits": 0.05},
        "usual start, warm-up 0.5": {"network": USUAL, "kl_warmup": 0.5},
        "free bits": {"free_bits": 0.05},
        "SiLU": {"network": dense(-3, -2, activation="silu")},
        "MLP": {"network": FOUR_LAYERS},
        "learning rate 1e-3": {"learning_rate": 1e-3},
    },
}


class Yardstick:
    """The entropy of a density, and test rows with their log density."""

    def __init__(self, density, n_test):
        self.entropy = density.entropy()
        self.X = density.sample(n_test, random_state=12345)
        self.log_p = density.score_samples(self.X)

    def bits(self, model):
        """Return a model's NLL and the standard error of the draw of test rows."""
        log_p = model.score_samples(self.X, n_importance_samples=250)
        excess = self.log_p - log_p
        error = excess.std() / len(excess) ** 0.5
        return (self.entropy + excess.mean()) / np.log(2), error / np.log(2)


def run(label, model, n_steps, density, seed, yardstick):
    X = density.sample(n_steps * model.batch_size // N_EPOCHS, random_state=seed)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(random_state=seed).fit(X)
    seconds = time.process_time() - start
    value, error = yardstick.bits(model)
    print(
        f"  seed {seed}  {label:28s} {value:7.3f} ({error:.3f}) bits  {seconds:4.0f} s",
        flush=True,
    )
    return value


def contestants(name, ablate):
    model, changes = MODELS[name], CHANGES[name] if ablate else {"": {}}
    for label, change in changes.items():
        parameters = model.get_params(deep=False) | change
        yield f"{name} {label}".strip(), type(model)(**parameters), N_STEPS[name]


def summarise(values):
    for (density, label), bits in values.items():
        spread = np.std(bits, ddof=1) if len(bits) > 1 else np.nan
        print(
            f"{density:13s} {label:28s} {np.mean(bits):7.3f} +- {spread:.3f}, standard "
            f"error {spread / len(bits) ** 0.5:.3f}, seeds: {len(bits)}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--n-test", type=int, default=4000)
    parser.add_argument("--densities", nargs="*", default=list(DENSITIES))
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--ablate", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    yardsticks = {}
    for name in options.densities:
        density, published = DENSITIES[name]
        yardsticks[name] = Yardstick(density, options.n_test)
        entropy = yardsticks[name].entropy / np.log(2)
        print(f"{name}: entropy {entropy:.3f}, published {published}", flush=True)
    values = defaultdict(list)
    for seed in options.seeds:
        for name in options.densities:
            print(name)
            density, _ = DENSITIES[name]
            for kind in options.models:
                for label, model, n_steps in contestants(kind, options.ablate):
                    n_steps = round(n_steps * options.share)
                    bits = run(label, model, n_steps, density, seed, yardsticks[name])
                    values[name, label].append(bits)
    summarise(values)


if __name__ == "__main__":
    main()
