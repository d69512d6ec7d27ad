"""The models of `two_stage_vae.py`."""

from functools import partial

from torch.optim.lr_scheduler import StepLR

from skvae import RAE, VAE, WAE, TwoStageVAE
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, InfoGANNet

BOUNDS = (0, 1)  # of means, as in the authors' decoders
GLOBAL = GaussianLikelihood("global", bounds=BOUNDS)
BASELINES = {
    "cross-entropy": (VAE, {"likelihood": "bernoulli"}),
    "fixed scale": (VAE, {"likelihood": GaussianLikelihood(1.0, bounds=BOUNDS)}),
    "flow": (VAE, {"likelihood": GLOBAL, "posterior": "flow"}),
    "WAE-MMD": (WAE, {"likelihood": GaussianLikelihood(bounds=BOUNDS)}),
    "WAE-GAN": (
        WAE,
        {"likelihood": GaussianLikelihood(bounds=BOUNDS), "divergence": "gan"},
    ),
}
AUTOENCODER = "autoencoder, then VAE"
SECOND_STAGES = {  # other than ours: activation, and a linear path or not
    "second stage of ReLUs": ("relu", False),
    "second stage of ReLUs with a linear path": ("relu", True),  # the authors'
}


def training(settings, epochs, seed):
    """Return how a stage is trained: as in the paper where there is no `layer`."""
    shared = {"max_epochs": epochs, "early_stopping": False, "random_state": seed}
    if settings["layer"]:
        return shared
    halving = partial(StepLR, step_size=max(3 * epochs // 8, 1), gamma=0.5)
    return shared | {"batch_size": 64, "learning_rate": 1e-4, "lr_schedule": halving}


def make_first_stage(cls, settings, seed, **parameters):
    layer, network = settings["layer"], InfoGANNet(image_shape=(28, 28))
    if layer:  # like the paper's network, without a linear path
        network = MLP((layer, layer), activation="relu", skip=False)
    return cls(
        settings["n_components"],
        network=network,
        **training(settings, settings["epochs"], seed),
        **parameters,
    )


def make_second_stage(settings, seed):
    activation, skip = SECOND_STAGES.get(settings["model"], ("silu", False))
    return VAE(
        settings["n_components"],
        network=MLP((settings["second_width"],) * 3, activation, skip),
        likelihood=GaussianLikelihood("global", bounds=None),
        kl_warmup=0.15,
        **training(settings, settings["second_epochs"], seed),
    )


def make_model(settings, seed):
    name = settings["model"]
    if name in ("two stages", *SECOND_STAGES):
        second = {"second_stage": make_second_stage(settings, seed)}
        cls, parameters = TwoStageVAE, {"likelihood": GLOBAL, **second}
    elif name == AUTOENCODER:
        options = {"latent_penalty": 0.0, "regularizer": None, "likelihood": GLOBAL}
        density = make_second_stage(settings, seed)
        cls, parameters = RAE, {"latent_density": density, **options}
    else:
        cls, parameters = BASELINES[name]
    return make_first_stage(cls, settings, seed, **parameters)
