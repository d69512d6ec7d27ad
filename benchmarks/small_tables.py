"""``fit`` on small tables against scikit-learn's perceptron and a hand-tuned loop.

Each turn trains ``VAE(4, network=MLP((32,)))`` and, on the same rows in batches of the
same size, ``MLPRegressor`` with the layers of encoder and decoder, and a VAE of them
in as few operations of torch as it takes, for 100 epochs each and without early
stopping. Beside them, the VAE with early stopping, as it is by default, and a wide
``MLPRegressor`` of 256, 4 and 256. The figures are the CPU seconds of one thread (least
of the turns), and the medians of the ratios to the perceptron of the same layers,
with their middle half.

    OMP_NUM_THREADS=1 python benchmarks/small_tables.py [--turns 9] [--epochs 100]
"""

import argparse
import statistics
import time
import warnings

import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch import nn

from skvae import VAE
from skvae._training.batches import even_batch_size
from skvae.networks import MLP

D, WIDTH = 4, 32
TABLES = {"wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}


def cpu_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def hand_tuned(X, batch_size, n_epochs):
    """Train a VAE without skip connections, outliers, checkpoints or annealing."""
    n_features = X.shape[1]
    encoder = perceptron_of(n_features, 2 * D)
    decoder = perceptron_of(D, n_features)
    log_scale = nn.Parameter(torch.zeros(()))
    parameters = [*encoder.parameters(), *decoder.parameters(), log_scale]
    optimizer = torch.optim.Adam(parameters, 1e-3, fused=True)
    data = torch.from_numpy(X)
    for _ in range(n_epochs):
        total = torch.zeros(())
        for rows in torch.randperm(len(data)).split(batch_size):
            x = data[rows]
            mean, log_sd = encoder(x).chunk(2, -1)
            z = mean + log_sd.exp() * torch.randn_like(mean)
            error = (x - decoder(z)).square().sum(-1)
            loss = 0.5 * (-2 * log_scale).exp() * error + n_features * log_scale
            square = mean.square() + (2 * log_sd).exp()
            loss = (loss + 0.5 * (square - 1 - 2 * log_sd).sum(-1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()


def perceptron_of(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, WIDTH), nn.SiLU(), nn.Linear(WIDTH, n_out))


def perceptron(layers, batch_size, n_epochs):
    return MLPRegressor(
        hidden_layer_sizes=layers,
        batch_size=batch_size,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        random_state=0,
    )


def compare(X, n_epochs, n_turns):
    """Return the CPU seconds of all in every turn, after one to warm up."""
    vae = VAE(D, network=MLP((WIDTH,)), max_epochs=n_epochs, random_state=0)
    batch_size = even_batch_size(len(X), vae.batch_size)
    full = clone(vae).set_params(early_stopping=False)
    same = perceptron((WIDTH, 2 * D, WIDTH), batch_size, n_epochs)
    wide = perceptron((256, D, 256), batch_size, n_epochs)
    contestants = {
        "skvae": lambda: full.fit(X),
        "hand-tuned": lambda: hand_tuned(X, batch_size, n_epochs),
        "MLPRegressor": lambda: same.fit(X, X),
        "skvae by default": lambda: vae.fit(X),
        "wide MLPRegressor": lambda: wide.fit(X, X),
    }
    turns = [
        [cpu_seconds(train) for train in contestants.values()]
        for _ in range(n_turns + 1)
    ]
    return dict(zip(contestants, zip(*turns[1:], strict=True), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name, load in TABLES.items():
        X = StandardScaler().fit_transform(load().data).astype("float32")
        times = compare(X, options.epochs, options.turns)
        line = f"{name} ({len(X)} x {X.shape[1]}):"
        for contestant, own in times.items():
            ratios = [a / b for a, b in zip(own, times["MLPRegressor"], strict=True)]
            low, median, high = statistics.quantiles(ratios, n=4)
            line += f"  {contestant} {min(own):.3f} s, {median:.2f} x"
            line += f" ({low:.2f} to {high:.2f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
