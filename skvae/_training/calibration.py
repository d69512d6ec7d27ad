"""The noise of p(x|z) in closed form, from the errors that training leaves."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from skvae._distributions.normal import (
    rsample_with_log_prob,
    standard_normal_log_prob,
)
from skvae._training.batches import Batches
from skvae._training.loop import training_context
from skvae._utils.adam import Adam
from skvae._utils.random import Stream, child_seed, standard_normal
from skvae.module import AutoencoderModule

# Most rows of which errors are taken, and draws of each: for one scale, and for how
# noise differs.
_OF_ONE_SCALE, _OF_NOISE = (500, 32), (2_000, 8)
# Lengths of steps to the mode of p(z|x), in deviations of q(z|x).
_STEPS = [0.4 - 0.019 * i for i in range(20)]
_BETAS = 0.5, 0.9  # their averages forget soon enough


def calibrated(fit: Any) -> AutoencoderModule:
    """Return a copy of the module of a `Fit`, for inference, with calibrated noise."""
    train, held_out = fit.split
    if fit.stream:
        train = fit.batches(fit.sample_of_stream().rows)
    seed = child_seed(fit.seed, Stream.CALIBRATE)
    generator = torch.Generator(device=fit.device).manual_seed(seed)
    with training_context(fit.device, "float32"):
        module = copy.deepcopy(fit.module).eval()
        _Calibration(fit, module, generator)(train, held_out)
    return module


class _Calibration:
    """Sets the noise of a module's likelihood to the optimum for its errors.

    Errors are those of reconstructions from draws z ~ q(z|x), weighted by importance: a
    step of the EM algorithm for the log-likelihood, which is what scores estimate. For
    one scale, whose errors would else contain how far encoders are from the mode of
    p(z|x) for rows they have not seen, draws are moved there. (Noise by feature or
    location gained nothing by it.)
    Errors of rows held out, with those of a few rows of training, say how large the
    noise is; how it differs between values, all rows say, with the errors of rows to
    train on multiplied by how much larger errors are on the rows held out. Without rows
    held out, "global" and "feature" scales stay as they have been learned.

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
        is_one = self.likelihood.has_one_scale
        self.most_rows, n_draws = _OF_ONE_SCALE if is_one else _OF_NOISE
        self.n_draws = 1 if module.posterior.deterministic else n_draws

    def __call__(self, train: Batches, held_out: Batches | None) -> None:
        """Calibrate from the errors of rows to train on and of rows held out."""
        likelihood = self.likelihood
        if not likelihood.calibrates(held_out=held_out is not None):
            return
        has_held_out = held_out is not None
        errors = self._errors(train, has_held_out)
        new = self._errors(held_out, has_held_out) if has_held_out else errors
        if errors.is_empty or new.is_empty:
            return  # all values are missing
        if has_held_out:
            errors = errors.pooled(new, held_out.n_rows)
        likelihood.calibrate(errors)

    def _errors(self, batches: Batches, has_held_out: bool) -> Any:
        errors = self.likelihood.new_errors(held_out=has_held_out)
        with torch.no_grad():
            for batch in batches.some(self.most_rows).ordered():
                x = self.fit.drawn(batch, self.generator)
                z, weight = self._draws(x)
                p = self.module.decode(z)
                self.likelihood.add_errors(errors, p, x, weight)
        return errors

    def _draws(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes, shape (k, n, n_components), and weights, shape (k, n, 1)."""
        shape = self.n_draws, len(x), self.module.n_components
        noise = standard_normal(*shape, generator=self.generator, device=x.device)
        q = self.module.encode(x)
        if self.n_draws == 1:
            return q.rsample(noise), noise.new_ones(1, len(x), 1)
        z, log_q = rsample_with_log_prob(q, noise)
        if self.likelihood.has_one_scale:
            z = z + self._to_mode(x, q.mean, z.std(0))
        log_p = self.module.decode(z).log_prob(x) + standard_normal_log_prob(z)
        return z, (log_p - log_q).softmax(0).unsqueeze(-1)

    def _to_mode(self, x: Tensor, centre: Tensor, width: Tensor) -> Tensor:
        """Return the move from the centre of q(z|x) to the mode of p(z|x)."""
        move = torch.zeros_like(centre, requires_grad=True)
        optimizer = Adam([move], lr=_STEPS[0], betas=_BETAS)
        with torch.enable_grad():
            for optimizer.param_groups[0]["lr"] in _STEPS:
                code = centre + width * move
                log_p = self.module.decode(code).log_prob(x)
                loss = -(log_p + standard_normal_log_prob(code)).sum()
                (move.grad,) = torch.autograd.grad(loss, [move])
                optimizer.step()
        return width * move.detach()
