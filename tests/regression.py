"""A least-squares problem for the training loop."""

import torch
from torch import nn

from skvae._training.loop import Step, minimize

TRUE_WEIGHT = torch.tensor([[1.0, -2.0, 0.5]])


class Regression:
    """A least-squares problem with a hook into every evaluation of its terms."""

    def __init__(self, hook=lambda n, loss: loss, lr=0.05, optimizer=torch.optim.Adam):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn((40, 3), generator=generator)
        self.data = torch.cat([x, x @ TRUE_WEIGHT.T + 1.5], 1)
        self.module = nn.Linear(3, 1)
        nn.init.zeros_(self.module.weight)
        nn.init.zeros_(self.module.bias)
        self.optimizer = optimizer(self.module.parameters(), lr=lr)
        self.hook, self.n_calls = hook, 0
        self.step = Step(self.terms, [self.optimizer])

    def terms(self, batch):
        error = (self.module(batch[:, :3]) - batch[:, 3:]).squeeze(-1)
        penalty = 1e-4 * self.module.weight.square().sum()
        loss = self.hook(self.n_calls, error.square())
        self.n_calls += 1
        return {"squared error": loss, "penalty": penalty}

    def batches(self, epoch):
        yield from self.data.split(10)

    def run(self, n_epochs, **options):
        return minimize(
            self.step, self.module, range(n_epochs), self.batches, **options
        )

    def state(self):
        state = [p.detach().clone() for p in self.module.parameters()]
        for values in self.optimizer.state.values():
            state += [v.clone() for v in values.values() if torch.is_tensor(v)]
        return state

    @property
    def lr(self):
        return float(self.optimizer.param_groups[0]["lr"])


def equal(states, others):
    """Tell whether two lists of tensors have the same bits."""
    return len(states) == len(others) and all(
        torch.equal(a, b) for a, b in zip(states, others, strict=True)
    )
