"""A fit of two stages: a model of the data, then one of its codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from skvae._training.callbacks import EpochCallbacks
from skvae._training.checkpoint import State
from skvae._training.fit import Fit
from skvae._training.held_out import stops_early
from skvae._training.state import check_course, check_state
from skvae._utils.random import Stream, make_generator, numpy_seed, standard_normal
from skvae._utils.warn import warn
from skvae.module import AutoencoderModule, blockwise

_LARGEST_CODE = 30.0
_SECOND = "second stage/"  # what a state has of it, beside what it has of the first


class TwoStageFit:
    """A fit of the first stage, then one of the second to the codes of the first.

    Parameters
    ----------
    first : Fit
        The fit of the first stage.
    stage : BaseAutoencoder
        The unfitted second stage.
    n_second_epochs : int
    """

    def __init__(self, first: Fit, stage: Any, n_second_epochs: int) -> None:
        self.has_own_seed = stage.random_state is not None
        self.first, self.device = first, first.device
        self.stage, self.n_second_epochs = stage, n_second_epochs
        self.is_interrupted, self.begins_with = False, None
        self._seed_second()
        self.second: Fit | None = None
        self.fitted: dict[str, Any] | None = None

    @property
    def n_callback_epochs(self) -> int:
        """Number of epochs that callbacks see, those of both stages."""
        return self.first.n_epochs + self.n_second_epochs

    @property
    def is_trained(self) -> bool:
        """Whether both stages are trained."""
        return self.second is not None and self.second.is_trained

    def state(self) -> State:
        """Return the state of both stages, for `resume`.

        A first stage that has been interrupted is not trained to its end: whoever goes
        on will do so, and begin the second stage after that.
        """
        tensors, values = self.first.state()
        if self.second and self.second.has_complete_epoch and not self.is_interrupted:
            second = self.second.state()
            tensors = tensors | {f"{_SECOND}{k}": t for k, t in second.tensors.items()}
            values = values | {_SECOND: second.values}
        return State(tensors, values)

    def resume(self, state: State) -> None:
        """Let `run` go on from a state, which may be that of another process.

        Raises
        ------
        ValueError
            If it is that of another fit; this one then begins anew.
        """
        check_state(self.first, state.values)
        if _SECOND in state.values:
            values = state.values[_SECOND]
            check_course(self._outline_of_second(values), values)
            tensors = {
                key.removeprefix(_SECOND): t
                for key, t in state.tensors.items()
                if key.startswith(_SECOND)
            }
            self.begins_with = State(tensors, values)
        self.first.go_on_from(state)
        self._seed_second()

    def run(self, callbacks: EpochCallbacks) -> None:
        """Train the first stage, then the second, even if the first is interrupted."""
        interrupt = self._run_first(callbacks)
        self.is_interrupted = interrupt is not None and not self.first.was_trained
        self.first.fitted = self.first.attributes()
        self.second = self._fit_of_codes(self.first.fitted["module_"])
        if self.begins_with is not None:
            self.second.go_on_from(self.begins_with)
        with _named("second stage, whose rows are codes of the first,"):
            self.second.run(callbacks, self.attributes)
        self.second.fitted = self.second.attributes()
        if interrupt:
            raise interrupt

    def attributes(self) -> dict[str, Any]:
        """Return the fitted attributes of the estimator for both stages as they are."""
        if self.second is None:
            return self.first.attributes()
        return self._joined(self.second.fitted or self.second.attributes())

    def rescue(self) -> dict[str, Any] | None:
        """Return the fitted attributes after an interrupt, None if there are none.

        A second stage without a complete epoch is left unfitted.
        """
        if self.fitted is not None:
            return self.fitted
        self.first.fitted = self.first.rescue()
        if self.first.fitted is None:
            return None
        return self._joined((self.second and self.second.rescue()) or {})

    def describe(self) -> str:
        """Say what `rescue` has returned."""
        first = f"the first stage is that {self.first.describe_epoch()}"
        if self.second and self.second.has_complete_epoch:
            return f"{first}; of the second stage, {self.second.describe()}"
        return (
            f"{first}. The second stage is not fitted, so that the model encodes and "
            "decodes, but neither samples nor scores: call fit again."
        )

    def _seed_second(self) -> None:
        if not self.has_own_seed:
            seed = numpy_seed(self.first.seed, Stream.SECOND_STAGE)
            self.stage.set_params(random_state=seed)

    def _outline_of_second(self, values: dict[str, Any]) -> SimpleNamespace:
        """Return what is known of the second fit before there are codes."""
        first, asked = self.first, self.stage.early_stopping
        return SimpleNamespace(
            estimator=self.stage,
            first_epoch=values["first_epoch"],
            n_epochs=self.n_second_epochs,
            stops_early=stops_early(
                asked, len(first.X), first.X_val is not None, stream=False
            ),
            stream=False,
        )

    def _run_first(self, callbacks: EpochCallbacks) -> KeyboardInterrupt | None:
        try:
            with _named("first stage"):
                self.first.run(callbacks)
        except KeyboardInterrupt as interrupt:
            if not self.first.has_complete_epoch:
                raise
            self.first.checkpoint.finish()
            warn(
                "The fit was interrupted; the first stage is that "
                f"{self.first.describe_epoch()}. The second stage is being trained: "
                "interrupt again to end at once.",
                RuntimeWarning,
            )
            return interrupt
        return None

    def _joined(self, second: dict[str, Any]) -> dict[str, Any]:
        stage = clone(self.stage)
        vars(stage).update(second)
        return {**self.first.fitted, "_density": stage}

    def _fit_of_codes(self, module: AutoencoderModule) -> Fit:
        """Return the fit of the second stage to the codes of a trained module."""
        first = self.first
        rows, labels = first.X, first.labels
        if first.stream:
            sample = first.sample_of_stream()
            rows, labels = sample.rows, sample.labels
        draws = CodeDraws(module, rows)
        key = Stream.SECOND_STAGE, first.first_epoch
        generator = make_generator(first.seed, *key, device=first.device)
        Z = blockwise(lambda h: draws(h, generator), draws.rows, first.device)
        before = first.resumed and first.resumed.latent_density_
        return Fit(
            self.stage,
            Z,
            self.n_second_epochs,
            {"n_features_in_": Z.shape[1], "_row_shape": Z.shape[1:]},
            previous=before if before and before.__sklearn_is_fitted__() else None,
            keep_state=first.keep_state,
            draws=draws,
            device=first.device,
            X_val=None if first.X_val is None else CodeDraws(module, first.X_val).rows,
            labels=labels,
        )


@contextmanager
def _named(stage: str) -> Iterator[None]:
    """Say which stage it was that diverged, and what helps there."""
    try:
        yield
    except FloatingPointError as error:
        where = "" if stage.startswith("first") else " of the `second_stage`"
        raise FloatingPointError(
            f"The {stage} diverged, also after its learning rate was halved again and "
            f"again. Lower the learning_rate{where}, or remove rows that lie far from "
            "all others; RobustScaler tells them apart."
        ) from error


class CodeDraws:
    """Codes z ~ q(z|x) of the training rows, drawn anew for every batch.

    Parameters
    ----------
    module : AutoencoderModule
        The trained first stage.
    X : ndarray of shape (n_samples, n_features)

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_outputs)
        The encoder's raw outputs, so that it runs only once.
    """

    def __init__(self, module: AutoencoderModule, X: np.ndarray) -> None:
        self.module = module
        self.rows = module.blockwise(AutoencoderModule.raw_encoding, X)

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return one code for every row of a batch of raw encodings."""
        shape = len(batch), self.module.n_components
        noise = standard_normal(*shape, generator=generator, device=batch.device)
        with torch.no_grad():
            z = self.module.posterior(batch).rsample(noise)
        # A first stage that has hardly trained gives a few rows scales of exp(5) and
        # more, and their draws would swamp those of all others.
        return z.clamp(-_LARGEST_CODE, _LARGEST_CODE)
