"""Approximate posteriors q(z|x): what the encoder's raw output says about a latent.

The parameter `posterior` of an estimator takes an object, or a name for its defaults:

- ``"diagonal"``: normal, with a mean and a variance per row and component
- ``"isotropic"``: one variance per row
- ``"constant"``: one fixed variance for all rows, the CV-VAE
- ``"full"``: a covariance matrix per row
- ``"flow"``: normalising flows on a normal distribution
"""

from typing import Any

from skvae._utils.validation import resolve_named
from skvae.posteriors.base import Posterior
from skvae.posteriors.flow import FlowPosterior
from skvae.posteriors.normal import (
    ConstantPosterior,
    DiagonalPosterior,
    FullCovariancePosterior,
    IsotropicPosterior,
)
from skvae.posteriors.point import PointPosterior

__all__ = [
    "ConstantPosterior",
    "DiagonalPosterior",
    "FlowPosterior",
    "FullCovariancePosterior",
    "IsotropicPosterior",
    "PointPosterior",
    "Posterior",
]

NAMES = {
    "diagonal": DiagonalPosterior,
    "isotropic": IsotropicPosterior,
    "constant": ConstantPosterior,
    "full": FullCovariancePosterior,
    "flow": FlowPosterior,
}


def resolve_posterior(posterior: Any) -> Any:
    """Return a posterior from its name, or the given one itself."""
    if isinstance(posterior, Posterior) and posterior.deterministic:
        raise ValueError(
            "The 'posterior' parameter must have a finite KL divergence from N(0, I). "
            f"Got {posterior!r}, for which it is infinite: use RAE or WAE."
        )
    return resolve_named("posterior", posterior, Posterior, NAMES)
