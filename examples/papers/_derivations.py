"""What the text of the tutorial derives, as cells and claims of `tutorial.py`."""

import numpy as np
from _runner import Claim
from sklearn.datasets import load_digits

from skvae import VAE
from skvae.diagnostics import posterior_moments
from skvae.likelihoods import GaussianLikelihood
from skvae.metrics import active_components
from skvae.networks import MLP

FIXED, LEARNED = "fixed scale", "learned scale"


def cells(sizes):
    epochs, n_rows = {"epochs": sizes["epochs"]}, {"n_rows": sizes["n_rows"]}
    units = {
        f"{scale}, digits times {unit:g}": {
            "kind": "units",
            "scale": scale,
            "unit": unit,
            **epochs,
        }
        for scale in (FIXED, LEARNED)
        for unit in (1.0, 0.1)
    }
    return units | {
        "Gaussian channel": {"kind": "channel", **epochs},
        "flow": {"kind": "flow", **n_rows},
        "collapsed optimum": {"kind": "optimum", "collapsed": True, **n_rows},
        "near-deterministic optimum": {
            "kind": "optimum",
            "collapsed": False,
            **n_rows,
        },
    }


def make_vae(n_components, scale, seed, **parameters):
    likelihood = GaussianLikelihood(scale, bounds=None)
    return VAE(
        n_components,
        likelihood=likelihood,
        early_stopping=False,
        random_state=seed,
        **parameters,
    )


def make_linear(n_components, seed, **parameters):
    """Return a VAE that stays at its start: probabilistic PCA, solved exactly.

    Where nothing is left over, the noise scale is the least that is allowed.
    """
    stay = {"learning_rate": 1e-9, "max_epochs": 1}
    return make_vae(n_components, "global", seed, **stay, **parameters)


def compute_units(settings, seed):
    """Components in use when the data are measured in another unit."""
    scale = 0.5**0.5 if settings["scale"] == FIXED else "global"
    X = load_digits().data * settings["unit"]
    network, epochs = MLP((128,), skip=False), settings["epochs"]
    vae = make_vae(16, scale, seed, network=network, max_epochs=epochs).fit(X)
    moments = posterior_moments(vae, X)
    return {
        "components in use": int(active_components(*moments).by_scale.sum()),
        "KL": float(vae.kl_per_component_.sum()),
    }


def compute_channel(settings, seed):
    """Power and noise of the codes, and the capacity that they allow."""
    X = load_digits().data
    vae = make_vae(
        16, "global", seed, posterior="isotropic", max_epochs=settings["epochs"]
    ).fit(X)
    means, deviations = posterior_moments(vae, X)
    power, noise = np.square(means).mean(1), np.square(deviations).mean(1)
    kl = float(vae.kl_per_component_.sum())
    capacity = -8 * np.log(noise).mean()  # -d/2 log N, where P + N = 1
    excess = 8 * (power + noise - 1).mean()
    return {
        "power and noise": (power + noise).mean(),
        "KL": kl,
        "capacity": capacity,
        "KL - capacity - d/2 (P + N - 1)": kl - capacity - excess,
    }


def compute_flow(settings, seed):
    """Bound of a linear VAE with full covariances beside a flow with its decoder."""
    mixing = np.array([[1.5, 0.3], [-0.4, 0.8]])
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((settings["n_rows"], 2)) @ mixing.T
    vae = make_linear(2, seed, posterior="full").fit(X)
    shift, *columns = vae.inverse_transform(np.vstack([np.zeros(2), np.eye(2)]))
    decoder = np.transpose(columns - shift)
    Z = np.linalg.solve(decoder, (X - shift).T).T
    log_flow = -np.square(Z).sum(1) / 2 - np.log(2 * np.pi)
    log_flow -= np.linalg.slogdet(decoder)[1]
    bound = vae.score_samples(X, n_importance_samples=1)
    return {
        "noise scale": float(vae.likelihood_.scale_),
        "-bound": -bound.mean(),
        "NLL of the flow": -log_flow.mean(),
        "difference": (log_flow - bound).mean(),
        "its error": (log_flow - bound).std() / len(X) ** 0.5,
    }


def compute_optimum(settings, seed):
    """Bound for normal data, with all the variance as noise and with hardly any."""
    X = np.random.default_rng(seed).standard_normal((settings["n_rows"], 1))
    if settings["collapsed"]:
        options = {"network": MLP(()), "learning_rate": 1e-2, "max_epochs": 10}
        vae = make_vae(1, float(X.std()), seed, **options)
    else:
        vae = make_linear(1, seed)
    vae.fit(X)
    return {
        "-bound of normal data": -vae.score_samples(X, n_importance_samples=1).mean(),
        "KL": float(vae.kl_per_component_.sum()),
    }


COMPUTE = {
    "units": compute_units,
    "channel": compute_channel,
    "flow": compute_flow,
    "optimum": compute_optimum,
}


# ------------------------------------------------------------------------------ claims


def share_left(scale):
    """Return a function for the share of components left in a tenth of the unit."""

    def share(figures):
        names = (f"{scale}, digits times {unit}" for unit in ("1", "0.1"))
        before, after = (figures[name]["components in use"] for name in names)
        return after / max(before, 1)

    return share


def difference_of_optima(figures):
    names = ("collapsed optimum", "near-deterministic optimum")
    a, b = (figures[name]["-bound of normal data"] for name in names)
    return abs(a - b)


CLAIMS = [
    Claim(
        "5.1, squared error: share of components left when data are times 0.1",
        "fewer",
        share_left(FIXED),
        high=0.8,
    ),
    Claim(
        "5.1, logarithm of it: share of components left when data are times 0.1",
        "as many",
        share_left(LEARNED),
        low=0.8,
        high=1.2,
    ),
    Claim(
        "4.3, KL of an isotropic posterior is the capacity where P + N = 1",
        "exact",
        lambda figures: figures["Gaussian channel"]["KL - capacity - d/2 (P + N - 1)"],
        low=-0.001,
        high=0.001,
        scale="smoke",
        unit="nats",
    ),
    Claim(
        "3.3, little noise: likelihood of the flow less the bound",
        "0 in the limit",
        lambda figures: figures["flow"]["difference"],
        low=-0.01,
        high=0.01,
        unit="nats",
    ),
    Claim(
        "5.2, collapsed and near-deterministic optimum: difference of the bounds",
        "0",
        difference_of_optima,
        high=0.03,
        unit="nats",
    ),
]
