"""Latent densities that take labels, and estimators that have one."""

from conftest import SMALL_SECOND_STAGE, public_classes, small
from sklearn.base import clone
from sklearn.neighbors import KernelDensity

import skvae
from skvae import densities
from skvae.densities import ClassConditionalDensity
from skvae.densities._adapter import takes_labels

LABELLED_DENSITIES = [
    *(d() for d in public_classes(densities, object) if takes_labels(d)),
    ClassConditionalDensity(KernelDensity(), min_samples=5),
    small(
        max_epochs=1,
        batch_size=1000,
        latent_density=ClassConditionalDensity(),
    ),
]


def small_labelled_estimators():
    """Return estimators whose latent density takes labels."""
    return [
        *(small(latent_density=density) for density in LABELLED_DENSITIES),
        small(skvae.RAE, latent_density=LABELLED_DENSITIES[0]),
        small(
            skvae.TwoStageVAE,
            second_stage=clone(SMALL_SECOND_STAGE).set_params(
                latent_density=LABELLED_DENSITIES[0]
            ),
        ),
    ]
