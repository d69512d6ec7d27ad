"""What a decoder makes of one latent component after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skvae._utils.arrays import as_finite, as_rows
from skvae._utils.validation import check_choice, check_integer
from skvae.diagnostics.influence import decoded_variances
from skvae.plotting._axes import LETTER, axes_for, check_matplotlib, note_below
from skvae.plotting._models import (
    autoencoder_and_rows,
    check_codes,
    decode_rows,
    encode_rows,
)
from skvae.plotting._mosaic import (
    MOST_SHOWN,
    Mosaic,
    grey_levels,
    is_table,
    read_images,
)

__all__ = ["LatentTraversalDisplay"]

# Rows at whose codes influences are measured, and components that are shown by default.
_MOST_ROWS, _MOST_COMPONENTS = 100, 10
# The prior has 95 % of its mass within two standard deviations.
_REACH, _QUANTILES = 2.0, (0.025, 0.975)


class LatentTraversalDisplay:
    """What a decoder makes of one latent component after the other.

    Parameters
    ----------
    steps : ndarray of shape (n_shown, n_steps, channels, height, width)
        Decoded codes that differ in one component; of a table, of shape
        (n_shown, n_steps, n_features).
    components : ndarray of int of shape (n_shown,)
        Components that vary.
    share : ndarray of shape (n_shown,)
        Influence of each, as a share of that of all components.
    labels : sequence of str of length n_steps
        Values of the component.
    spread : ndarray of shape (n_features,) or None, default=None
        Of a table, standard deviations of the features, in which changes are shown;
        None takes those of the steps.
    feature_names : sequence of str or None, default=None
        Of a table.
    value_range : (low, high) or None, default=None
        Values of black and white. None takes the medians of the extremes of `steps` if
        they are grey; colour is in [0, 1] or 0 to 255. Of a table, the least and the
        largest change.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        All images, or all lines of the table, as one.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    skvae.diagnostics.component_influence : The same as numbers.

    Notes
    -----
    The influence of a component is the variance of decoded rows, summed over features,
    when the component is drawn from N(0, 1) and the others stay. Components that the
    model does not use have an influence near 0 and images that are all alike. Features
    of a table are in units of their standard deviations in X, if it is given.

    References
    ----------
    Higgins et al., "beta-VAE", ICLR 2017, figure 1. Dai & Wipf, "Diagnosing and
    Enhancing VAE Models", ICLR 2019, figure 1b.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import LatentTraversalDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X)
    >>> display = LatentTraversalDisplay.from_estimator(vae, X, n_steps=5)
    >>> display.steps.shape
    (8, 5, 1, 8, 8)
    """

    def __init__(
        self,
        steps: Any,
        components: Any,
        share: Any,
        labels: Sequence[str],
        *,
        spread: Any = None,
        feature_names: Sequence[str] | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.steps = steps
        self.components = components
        self.share = share
        self.labels = labels
        self.spread = spread
        self.feature_names = feature_names
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        components: Sequence[int] | None = None,
        n_steps: int = 9,
        values: str = "prior",
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> LatentTraversalDisplay:
        """Vary one component of a code at a time, and decode.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted.
        X : array-like or Tensor of shape (n_samples, ...), default=None
            Rows in the estimator's units. The other components stay at the code of the
            first; influences are means over the codes of the first 100. None takes the
            code 0 for both, the mean of the prior.
        components : sequence of int, default=None
            Those to vary, from top to bottom; None is the ten most influential.
        n_steps : int, default=9
            Decoded codes for each component.
        values : {"prior", "quantiles"}, default="prior"
            "prior" is from -2 to 2, in which N(0, 1) has 95 % of its mass. "quantiles"
            are those of the codes of X in the component, from 2.5 to 97.5 %, for models
            whose codes do not have the scale of N(0, I), such as RAE.
        image_shape : (height, width), (channels, height, width) or None, default=None
            Of one flattened image. None takes rows of a square number of features for
            square grey images, and others for a table.
        value_range : (low, high) or None, default=None
            Values of black and white.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : LatentTraversalDisplay

        Raises
        ------
        TypeError
            If the estimator is no autoencoder of skvae.
        ValueError
            If a parameter is not as above, or the model has no such component.
        ImportError
            If matplotlib is not installed.
        """
        owner = cls.__name__
        check_matplotlib(f"{owner}.from_estimator")
        n_steps = check_integer(owner, "n_steps", n_steps, 2)
        check_choice(owner, "values", values, ("prior", "quantiles"))
        model, _ = autoencoder_and_rows(owner, estimator)
        check_codes(owner, estimator)
        Z = np.zeros((1, len(model.kl_per_component_)))
        if X is not None:
            rows = X if values == "quantiles" else X[:_MOST_ROWS]
            Z = encode_rows(owner, estimator, rows)
        positions, labels = _positions(owner, Z, n_steps, values, X)

        def decode(codes: np.ndarray) -> np.ndarray:
            return as_finite(decode_rows(estimator, codes), "decoded codes")

        spread = feature_names = None
        if is_table(decode(Z[:1]), image_shape):
            spread = None if X is None else _spread(X)
            feature_names = getattr(estimator, "feature_names_in_", None)
        unit = 1.0 if spread is None else spread
        variances = decoded_variances(lambda z: decode(z) / unit, Z[:_MOST_ROWS])
        chosen = _chosen(owner, components, variances)
        codes = np.tile(Z[0], (len(chosen), n_steps, 1))
        for i, j in enumerate(chosen):
            codes[i, :, j] = positions[:, j]
        steps = decode(codes.reshape(-1, Z.shape[1]))
        if not is_table(steps, image_shape):
            steps = read_images(steps, image_shape, "decoded codes")
        display = cls(
            steps.reshape(len(chosen), n_steps, *steps.shape[1:]),
            chosen,
            variances[chosen] / max(variances.sum(), np.finfo(float).tiny),
            labels,
            spread=spread,
            feature_names=feature_names,
            value_range=value_range,
        )
        return display.plot(ax, im_kw=im_kw)

    def plot(
        self, ax: Any = None, *, im_kw: dict[str, Any] | None = None
    ) -> LatentTraversalDisplay:
        """Draw one row of images for each component; of a table, lines of changes.

        Lines show a feature that grows in red, and one that falls in blue.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : LatentTraversalDisplay
            The object itself.
        """
        steps = np.asarray(self.steps)
        draw = self._draw_table if steps.ndim == 3 else self._draw_images
        mosaic = draw(steps, ax, im_kw)
        names = zip(self.components, self.share, strict=True)
        mosaic.label_rows(self.ax_, [f"z{j}: {100 * s:.2g} %" for j, s in names])
        shown = f"{100 * np.sum(self.share):.3g} % shown"
        note_below(self.ax_, f"percent: share of the variance of decoded rows, {shown}")
        self.figure_ = self.ax_.figure
        return self

    def _draw_images(self, steps: np.ndarray, ax: Any, im_kw: Any) -> Mosaic:
        """Draw one row of images for each component."""
        images = steps.reshape(-1, *steps.shape[2:])
        mosaic = Mosaic(images, steps.shape[1], grey_levels(images, self.value_range))
        size = mosaic.size(beside=1.3, below=0.7, columns=self.labels)
        self.ax_ = axes_for(self, ax, size)
        self.im_ = mosaic.draw(self.ax_, im_kw)
        mosaic.label_columns(self.ax_, self.labels)
        mosaic.caption(self.ax_, "value of the component")
        return mosaic

    def _draw_table(self, steps: np.ndarray, ax: Any, im_kw: Any) -> Mosaic:
        """Draw lines of changes for each component, one for each of its values."""
        n, n_steps, d = steps.shape
        spread = self.spread
        if spread is None:
            spread = _spread(steps.reshape(-1, d))
        change = (steps - steps[:, [n_steps // 2]]) / spread
        most = np.abs(change).max() or 1.0
        levels = (-most, most) if self.value_range is None else self.value_range
        mosaic = Mosaic(change[:, None], 1, levels)
        names = range(d) if self.feature_names is None else self.feature_names
        names = [str(name) for name in names] if d <= MOST_SHOWN else [""]
        height = 1.2 + 0.12 * n * n_steps + LETTER * max(map(len, names))
        self.ax_ = axes_for(self, ax, (min(10.0, 1.5 + 0.3 * d), min(10.0, height)))
        style = {"cmap": "RdBu_r", "aspect": "auto", **(im_kw or {})}
        self.im_ = mosaic.draw(self.ax_, style)
        self._label_features(names)
        ends = f"from {self.labels[0]} (top) to {self.labels[-1]}"
        note_below(self.ax_, f"changes in standard deviations, for components {ends}")
        return mosaic

    def _label_features(self, names: list[str]) -> None:
        """Name the features, or number them where they are too many to be named."""
        from matplotlib.ticker import MaxNLocator

        if len(names) > 1:
            text = {"rotation": 90, "fontsize": "small"}
            self.ax_.set_xticks(np.arange(len(names)), names, **text)
        else:
            self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.ax_.set_xlabel("feature")


def _positions(
    owner: str, Z: np.ndarray, n_steps: int, values: str, X: Any
) -> tuple[np.ndarray, list[str]]:
    """Return the values of every component, (n_steps, n_components), and labels."""
    if values == "prior":
        z = np.linspace(-_REACH, _REACH, n_steps)
        return np.tile(z[:, None], Z.shape[1]), [f"{value:.2g}" for value in z]
    if X is None:
        raise ValueError(
            f"values='quantiles' of {owner} needs X, whose codes they are of. Pass "
            "rows, or values='prior'."
        )
    levels = np.linspace(*_QUANTILES, n_steps)
    labels = [f"{100 * level:.3g} %" for level in levels]
    return np.quantile(Z, levels, axis=0), labels


def _spread(X: Any) -> np.ndarray:
    """Return the standard deviations of the features of a table; 1 for constants."""
    spread = as_rows(X, "X").std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _chosen(owner: str, components: Any, variances: np.ndarray) -> np.ndarray:
    """Return the components to vary: those asked for, or the most influential."""
    if components is None:
        return np.argsort(-variances, kind="stable")[:_MOST_COMPONENTS]
    chosen, d = np.asarray(components), len(variances)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not len(chosen):
        raise ValueError(
            f"components of {owner} must be a sequence of integers, got {components!r}."
        )
    if chosen.min() < 0 or chosen.max() >= d:
        raise ValueError(
            f"components of {owner} must be from 0 to {d - 1}, got {components!r}."
        )
    return chosen
