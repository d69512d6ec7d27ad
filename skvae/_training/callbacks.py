"""Adapter to scikit-learn's callbacks, which are experimental: all of it is here."""

from collections.abc import Callable
from typing import Any

from sklearn.callback import CallbackSupportMixin, with_callbacks

__all__ = [
    "CallbackSupportMixin",
    "EpochCallbacks",
    "forget_callbacks",
    "with_callbacks",
]


def forget_callbacks(estimator: Any) -> None:
    """Remove what an interrupt in the midst of teardown leaves in an estimator."""
    for name in ("_callback_fit_ctx", "_skl_callbacks_to_teardown"):
        vars(estimator).pop(name, None)


class EpochCallbacks:
    """The callbacks of one fit, called at its beginning, its epochs and its end.

    Parameters
    ----------
    estimator : estimator with `CallbackSupportMixin`
    n_epochs : int
    X, y : data of the fit, passed to callbacks that ask for them
    fit : object with `state()` and `resume(state)`
        Callbacks find both of them in ``metadata["fit"]`` when the fit begins. (At the
        end of a task, scikit-learn hands metadata on to scorers.)

    Attributes
    ----------
    resumed : State or None
        From which a callback lets the fit go on.
    """

    def __init__(self, estimator: Any, n_epochs: int, X: Any, y: Any, fit: Any) -> None:
        self.estimator, self.data = estimator, {"X": X, "y": y}
        self.fit, self.resumed = fit, None
        # So that an interrupt in the next line finds it, as scikit-learn expects.
        estimator._skl_callbacks_to_teardown = []
        self.context = estimator._init_callback_context(max_subtasks=n_epochs)
        self.context.call_on_fit_task_begin(
            estimator=estimator, metadata={"fit": self}, **self.data
        )
        self.epoch: Any = None

    def state(self) -> Any:
        """Return the state of the fit."""
        return self.fit.state()

    def resume(self, state: Any) -> None:
        """Let the fit go on from a state."""
        self.fit.resume(state)
        self.resumed = state

    def pass_over(self, n_epochs: int) -> None:
        """Count epochs that another process has trained, of which nothing is told."""
        for _ in range(n_epochs):
            self.context.subcontext(task_name="epoch")

    def begin_epoch(self) -> None:
        """Begin an epoch, unless one has begun (an epoch may be repeated)."""
        if self.epoch is None:
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_epoch(self, fitted_attributes: Callable[[], dict[str, Any]]) -> bool:
        """End the epoch; return True if a callback asks to stop."""
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=fitted_attributes,
            **self.data,
        )

    def end(self, fitted_attributes: Callable[[], dict[str, Any]]) -> None:
        """Call the callbacks at the end of the fit."""
        self.context.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=fitted_attributes,
            **self.data,
        )
