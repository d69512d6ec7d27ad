"""One training epoch of skvae against hand-written loops and pythae, as ratios.

Every contestant trains the same Bernoulli VAE (784-400-20 and 784-32-8, batch 100) on
the same MNIST-shaped rows. skvae's epochs are those of one long call of ``fit``; after
each of them the others run one epoch of theirs, so that a drifting machine hits all
alike. The figure is the median over these turns of the ratio of two epochs' times, with
the middle half of the ratios.

    python benchmarks/training_speed.py [--device cpu] [--rows 5000] [--turns 40]
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


def race(X, sizes, device, turns, others):
    """Return the seconds of every epoch, by contestant."""
    model = VAE(
        sizes[1],
        network=MLP((sizes[0],), activation="relu", skip=False),
        likelihood="bernoulli",
        batch_size=BATCH,
        max_epochs=turns + 1,
        device=device,
        random_state=0,
    )
    epochs = {name: make(X, sizes, device) for name, make in others.items()}
    runners = Race(epochs)
    model.set_callbacks(runners).fit(X)
    return {name: times[1:] for name, times in runners.times.items()}  # one to warm up


class Race:
    """A callback of ``fit`` that lets the others run after each of skvae's epochs."""

    def __init__(self, epochs):
        self.epochs = epochs
        self.times = {name: [] for name in ("skvae", *epochs)}

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            self.start = time.perf_counter()

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.times["skvae"].append(time.perf_counter() - self.start)
            for name, epoch in self.epochs.items():
                self.times[name].append(seconds(epoch))

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
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    X = np.random.default_rng(0).random((options.rows, 784), dtype=np.float32)
    print(f"{options.rows} rows, {options.threads} threads, {options.device}")
    others = {"hand-tuned": hand_tuned, "usual": usual}
    with contextlib.suppress(ImportError):
        import pythae as _  # noqa: F401

        others["pythae"] = pythae
    for sizes in [(400, 20), (32, 8)]:
        times = race(X, sizes, options.device, options.turns, others)
        for name, own in times.items():
            step = statistics.median(own) / options.rows * BATCH * 1e6
            line = f"784-{sizes[0]}-{sizes[1]}  {name:10s} {step:7.0f} us/step"
            for other in ("hand-tuned", "usual"):
                ratios = [a / b for a, b in zip(own, times[other], strict=True)]
                low, median, high = statistics.quantiles(ratios, n=4)
                line += f"  {median:.2f} x {other} ({low:.2f} to {high:.2f})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
