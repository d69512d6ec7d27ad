"""Chunks of a stream that are unlike those that its networks have begun with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._training.stream import FEW_ROWS, MOST_ROWS, RowSample
from skvae._utils.rows import evenly_spaced, extremes
from skvae._utils.warn import warn
from skvae.likelihoods import ScaledLikelihood
from skvae.likelihoods._locations import bounds_for
from skvae.module import AutoencoderModule

# Statistics of a stream have moved if a mean differs by so many spreads, or a spread by
# this factor, from that with which the networks have begun.
_FARTHEST, _WIDEST = 0.25, 1.25
# Networks that have seen each row more often than this are worth more than statistics.
_MOST_PASSES = 1.5
_FAR = 10.0  # spreads from the mean that rows are centred at
_NARROW = 0.01  # of that spread


def begins_anew(previous: Any, before: RowSample, now: RowSample) -> bool:
    """Tell whether networks begin anew with the next chunk of a stream.

    They do so if they began with rows that say too little, or, in the first pass over
    the stream, with others than it has.

    Parameters
    ----------
    previous : BaseAutoencoder
    before, now : RowSample
        Without and with the chunk.
    """
    if now is before or not before.n_seen:
        return False
    if before.is_small:
        return True
    return before.n_passes < _MOST_PASSES and has_moved(previous.module_, now)


def has_moved(module: AutoencoderModule, sample: RowSample) -> bool:
    """Tell whether a stream has left the statistics that its networks began with."""
    start, now = sample.start, sample.statistics
    if module.likelihood.has_inputs:
        rows = evenly_spaced(sample.rows)
        module.likelihood.check_support(rows)
        if 2 * start.n_rows <= now.n_rows and start.n_rows < MOST_ROWS:
            return True  # twice the rows say more of margins
        means, spreads = _moments_of_inputs(module, rows)
        return bool(means.max() > _FARTHEST or spreads.max() > _WIDEST)
    start, now = start.summary(), now.summary()
    if bounds_found(module, now) != bounds_found(module, start):
        return True
    is_one = bool((module.factor == module.factor[0]).all())
    spreads = [s.total_scale if is_one else s.feature_scale for s in (start, now)]
    distance = np.abs(now.mean - start.mean) / spreads[0]
    ratio = np.abs(np.log(spreads[1] / spreads[0]))
    return bool(distance.max() > _FARTHEST or ratio.max() > np.log(_WIDEST))


def bounds_found(module: AutoencoderModule, summary: Any) -> Any:
    """Return the bounds that a likelihood finds in statistics, if it looks for any."""
    bounds = getattr(module.likelihood, "bounds", None)
    return bounds_for(bounds, summary) if isinstance(bounds, str) else None


def _moments_of_inputs(
    module: AutoencoderModule, rows: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return distances of means from 0, and deviations, of what an encoder sees.

    At the start these are 0 and at most 1; they are 0 where all values are missing.
    """
    seen = module.blockwise(AutoencoderModule.inputs, rows).astype(np.float64)
    seen[:, np.isnan(seen).all(0)] = 0
    return np.abs(np.nanmean(seen, 0)), np.nanstd(seen, 0)


def warn_of_drift(fit: Any) -> None:
    """Warn if a `Fit` goes on with rows that are unlike those of its networks.

    Fewer than 32 rows say too little, and are let pass.
    """
    module, X = fit.previous.module_, fit.X
    names = fit.described.get("feature_names_in_")
    found = len(X) >= FEW_ROWS and _far_rows(module, X, names)
    if found and fit.resumed:
        warn(
            f"{found} of the rows that the networks have learned from, and what they "
            "have learned is kept. It may take many epochs, over all rows, to learn "
            "these. Or begin anew, with rows that are like the stream as a whole."
        )
    elif found:
        warn(
            f"{found} of the rows before. The networks begin anew with the statistics "
            "of all rows. Leave these out if they are in another unit, or stand for "
            "missing values."
        )
    if fit.resumed:
        _warn_if_beyond(module, X)


def _far_rows(
    module: AutoencoderModule, X: NDArray[Any], names: Sequence[str] | None
) -> str:
    """Say what is unlike the rows by which a module centres and scales, if anything."""
    rows = module.frame.to_frame(evenly_spaced(X))
    factor, shift = (t.cpu().double().numpy() for t in (module.factor, module.shift))
    with np.errstate(over="ignore"):
        scaled = factor * rows + shift
        scaled[:, np.isnan(scaled).all(0)] = 0
        distances, spreads = np.nanmedian(np.abs(scaled), axis=0), np.nanstd(scaled, 0)
    feature = int(np.argmax(distances))
    name = feature if names is None else repr(names[feature])
    if distances[feature] > _FAR:
        return (
            f"In feature {name}, half of these rows lie more than "
            f"{distances[feature]:.3g} spreads from the mean"
        )
    is_narrow = spreads.max() < _NARROW and np.greater(*extremes(rows)[::-1]).any()
    narrow = f"All features of these rows have less than {_NARROW:g} of the spread"
    return narrow if is_narrow else ""


def _warn_if_beyond(module: AutoencoderModule, X: NDArray[Any]) -> None:
    """Warn if rows leave the bounds that those of a first fit have shown."""
    likelihood = module.likelihood
    if not isinstance(likelihood, ScaledLikelihood) or not likelihood.bounds_:
        return
    (low, high), (least, greatest) = likelihood.bounds_, extremes(X)
    is_found = isinstance(likelihood.bounds, str)  # values beyond given ones are errors
    least, greatest = np.fmin.reduce(least), np.fmax.reduce(greatest)
    if is_found and (least < low or greatest > high):
        warn(
            f"The rows that training began with lie between {low:g} and {high:g}, and "
            "so do all means of p(x|z), but these rows reach from "
            f"{least:.6g} to {greatest:.6g}. Begin anew, with the bounds "
            "of X as the likelihood's bounds=(low, high), or with bounds=None."
        )
