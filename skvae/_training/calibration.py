"""The noise of p(x|z) in closed form, from the errors that training leaves."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from skvae._distributions.normal import standard_normal_log_prob
from skvae._training.batches import Batches
from skvae._training.loop import training_context
from skvae._utils.random import Stream, child_seed, standard_normal
from skvae.losses import importance_weights
from skvae.module import AutoencoderModule

_MOST_ROWS = 2_000
_N_DRAWS = 8


def calibrated(fit: Any) -> AutoencoderModule:
    """Return a copy of the module of a `Fit`, for inference, with calibrated noise."""
    train, held_out = fit.split
    if fit.stream:
        train = fit.batches(fit.rows_of_stream())
    seed = child_seed(fit.seed, Stream.CALIBRATE)
    generator = torch.Generator(device=fit.device).manual_seed(seed)
    with training_context(fit.device, "float32"):
        module = copy.deepcopy(fit.module).eval()
        _Calibration(fit, module, generator)(train, held_out)
    return module


class _Calibration:
    """Sets the noise of a module's likelihood to the optimum for its errors.

    Errors are those of reconstructions from draws z ~ q(z|x), weighted by importance: a
    step of the EM algorithm for the log-likelihood, which is what scores estimate.
    Errors of rows held out say how large the noise is; how it differs between values,
    all rows say, with the errors of rows to train on multiplied by how much larger
    errors are on the rows held out. Without rows held out, "global" and "feature"
    scales stay as they have been learned.

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
        is_point = module.posterior.deterministic
        self.n_draws = 1 if is_point else _N_DRAWS

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
