"""One training epoch of skvae against hand-written loops and pythae, as ratios.

Every contestant trains the same Bernoulli VAE (784-400-20 and 784-32-8, batch 100) on
the same MNIST-shaped rows. Contestants take turns, epoch by epoch, so that a drifting
machine hits all alike; the figure is the median over the turns of the epoch's time
divided by that of the hand-tuned loop in the same turn.

    python benchmarks/training_speed.py [--device cpu] [--rows 20000] [--turns 5]
"""

import argparse
import contextlib
import io
import logging
import os
import statistics
import tempfile
import time
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skvae import VAE
from skvae.networks import MLP

BATCH = 100


class HandWrittenVAE(nn.Module):
    def __init__(self, n_hidden, n_latent):
        super().__init__()
        self.e1 = nn.Linear(784, n_hidden)
        self.e2 = nn.Linear(n_hidden, 2 * n_latent)
        self.d1 = nn.Linear(n_latent, n_hidden)
        self.d2 = nn.Linear(n_hidden, 784)

    def loss(self, x):
        mean, log_scale = self.e2(F.relu(self.e1(x))).chunk(2, -1)
        z = mean + log_scale.exp() * torch.randn_like(mean)
        logits = self.d2(F.relu(self.d1(z)))
        cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
        return (cross_entropy + kl) / len(x)


def hand_tuned(X, sizes, device):
    """Whole-tensor indexing, fused Adam, no synchronisation within the epoch."""
    model = HandWrittenVAE(*sizes).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    data = torch.from_numpy(X).to(device)

    def epoch():
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(data), device=device).split(BATCH):
            loss = model.loss(data[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item()

    return epoch


def usual(X, sizes, device):
    """TensorDataset, DataLoader, ``.item()`` in every step."""
    model = HandWrittenVAE(*sizes).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(torch.from_numpy(X)), BATCH, shuffle=True)

    def epoch():
        total = 0.0
        for (x,) in loader:
            loss = model.loss(x.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return epoch


def skvae(X, sizes, device):
    model = VAE(
        sizes[1],
        network=MLP((sizes[0],), activation="relu", skip=False),
        likelihood="bernoulli",
        batch_size=BATCH,
        device=device,
        random_state=0,
    )
    return EpochTimer(model, X)


class EpochTimer:
    """The time from epoch to epoch inside one call of ``fit``."""

    def __init__(self, model, X):
        self.model, self.X, self.times = model, X, []

    def __call__(self):
        self.model.set_params(max_epochs=3).set_callbacks(self)
        self.times = []
        self.model.fit(self.X)
        self.seconds = np.mean(np.diff(self.times))

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.times.append(time.perf_counter())

    def teardown(self, estimator, context):
        pass


def pythae(X, sizes, device):
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    n_hidden, n_latent = sizes

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(784, n_hidden)
            self.mean = nn.Linear(n_hidden, n_latent)
            self.log_var = nn.Linear(n_hidden, n_latent)

        def forward(self, x):
            h = F.relu(self.hidden(x.reshape(len(x), -1)))
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(n_latent, n_hidden)
            self.output = nn.Linear(n_hidden, 784)

        def forward(self, z):
            h = F.relu(self.hidden(z))
            return ModelOutput(reconstruction=self.output(h).sigmoid())

    from pythae.data.datasets import BaseDataset

    config = VAEConfig(input_dim=(784,), latent_dim=n_latent, reconstruction_loss="bce")
    model = PythaeVAE(config, Encoder(), Decoder())
    dataset = BaseDataset(torch.from_numpy(X), torch.zeros(len(X)))
    trainer = BaseTrainer(
        model,
        train_dataset=dataset,
        training_config=BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(),
            num_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-3,
            no_cuda=device == "cpu",
        ),
    )
    trainer.prepare_training()
    return lambda: trainer.train_step(1)


def seconds(epoch):
    with contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        epoch()
        elapsed = time.perf_counter() - start
    return getattr(epoch, "seconds", elapsed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    X = np.random.default_rng(0).random((options.rows, 784), dtype=np.float32)
    print(f"{options.rows} rows, {options.threads} threads, {options.device}")
    for sizes in [(400, 20), (32, 8)]:
        contestants = {"hand-tuned": hand_tuned, "skvae": skvae, "usual": usual}
        with contextlib.suppress(ImportError):
            import pythae as _  # noqa: F401

            contestants["pythae"] = pythae
        epochs = {k: f(X, sizes, options.device) for k, f in contestants.items()}
        turns = {k: [] for k in epochs}
        for turn in range(options.turns + 1):
            for name, epoch in epochs.items():
                elapsed = seconds(epoch)
                if turn:  # the first is for warming up
                    turns[name].append(elapsed)
        for name, times in turns.items():
            for other in ("hand-tuned", "usual"):
                ratios = [a / b for a, b in zip(times, turns[other], strict=True)]
                spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
                median = statistics.median(ratios)
                if other == "hand-tuned":
                    step = statistics.median(times) / options.rows * BATCH * 1e6
                    line = f"784-{sizes[0]}-{sizes[1]}  {name:10s} {step:7.0f} us/step"
                line += f"  {median:.2f} x {other} ({spread})"
            print(line)


if __name__ == "__main__":
    main()
