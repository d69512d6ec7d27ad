"""The noise of p(x|z) in closed form, from the errors that training leaves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skvae._distributions.normal import standard_normal_log_prob
from skvae._training.batches import Batches
from skvae._utils.random import standard_normal
from skvae.losses import importance_weights
from skvae.module import AutoencoderModule

_MOST_ROWS = 10_000


class Calibration:
    """Sets the noise of a module's likelihood to the optimum for its errors.

    Errors are those of reconstructions from draws z ~ q(z|x), with the weights that an
    importance weighted bound gives them. Those of rows held out say how large the noise
    is; how it differs between values, all rows say, with the errors of rows to train on
    multiplied by how much larger errors are on the rows held out. Without rows held
    out, a scale that has been learned stays as it is.

    Parameters
    ----------
    fit : Fit
    module : AutoencoderModule
        In evaluation mode.
    generator : torch.Generator
    """

    def __init__(
        self, fit: Any, module: AutoencoderModule, generator: torch.Generator
    ) -> None:
        self.fit, self.module, self.generator = fit, module, generator
        self.likelihood = module.likelihood
        self.n_draws = int(getattr(fit.estimator, "n_importance_samples", 1))

    def __call__(self, train: Batches, held_out: Batches | None) -> None:
        """Calibrate from the errors of rows to train on and of rows held out."""
        likelihood = self.likelihood
        if not likelihood.calibrates(held_out=held_out is not None):
            return
        new = held_out and self._errors(held_out)
        if likelihood.has_one_scale:
            likelihood.calibrate(new)
            return
        errors = self._errors(train)
        if new is not None and errors.mean > 0:
            errors = errors * (new.mean / errors.mean) + new
        likelihood.calibrate(errors)

    def _errors(self, batches: Batches) -> Any:
        errors = self.likelihood.new_errors()
        rows = batches.rows
        with torch.no_grad():
            for batch in batches.of(rows[:: -(-len(rows) // _MOST_ROWS)]).ordered():
                x = self.fit.drawn(batch, self.generator)
                z, weight = self._draws(x)
                loc = self.module.decode(z).mean
                errors.add(loc, self.likelihood.errors(x, loc), weight)
        return errors

    def _draws(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes, shape (k, n, n_components), and weights, shape (k, n, 1)."""
        shape = self.n_draws, len(x), self.module.n_components
        noise = standard_normal(*shape, generator=self.generator, device=x.device)
        if self.n_draws == 1:
            return self.module.encode(x).rsample(noise), noise.new_ones(1, len(x), 1)
        log_ratio, z = importance_weights(self.module, x, noise)
        log_w = log_ratio + standard_normal_log_prob(z)
        return z, log_w.softmax(0).unsqueeze(-1)
