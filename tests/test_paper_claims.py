"""The rules of `examples/papers/`, judged on the figures that the papers print."""

import sys
from pathlib import Path

import numpy as np
import pytest
from judged_claims import claim_of, judged

sys.path.append(str(Path(__file__).parents[1] / "examples" / "papers"))

import latent_dimension
import nearest_neighbour_matching as matching
import regularized_autoencoders as rae
import tutorial
import two_stage_vae as stages
from _runner import Cell, Job
from _stages import make_model

from skvae import VAE
from skvae.evaluation import rate_decomposition

# Table 1 of Dai & Wipf, FIDs.
DAI = {
    "MNIST": {"entropy": 16.6, "fixed": 52.0, "learned": 54.5, "flow": 54.8}
    | {"wae": 115.0, "both": 12.6},
    "Fashion-MNIST": {"entropy": 43.6, "fixed": 84.6, "learned": 60.0, "flow": 62.1}
    | {"wae": 101.7, "both": 29.3},
}
FIRST = "N(0, I)"


def figures_of_dai(data):
    fid = DAI[data]
    return {
        f"{data}, cross-entropy": {FIRST: fid["entropy"]},
        f"{data}, fixed scale": {FIRST: fid["fixed"]},
        f"{data}, flow": {FIRST: fid["flow"]},
        f"{data}, WAE-MMD": {FIRST: fid["wae"]},
        f"{data}, two stages": {FIRST: fid["learned"], "both stages": fid["both"]},
    }


DAI_FIGURES = figures_of_dai("MNIST") | figures_of_dai("Fashion-MNIST")


@pytest.mark.parametrize("data", stages.DATA)
@pytest.mark.parametrize(
    "text",
    ["both stages over the", "both stages over WAE", "cross", "learned", "flows"],
)
def test_what_dai_and_wipf_print_passes_their_own_claims(data, text):
    start = f"{data}: table 1, {text}"
    value, verdict = judged(stages, start, DAI_FIGURES)
    printed = claim_of(stages, start).published.split()[2]
    assert value == pytest.approx(float(printed), abs=0.006)
    assert verdict == "reproduced"


def test_the_published_tables_of_the_tutorial_pass():
    figures = {
        f"{model}, {density}": {"bound": 0.0, "bound of 10": 0.0, **published}
        for model, densities in tutorial.PUBLISHED.items()
        for density, published in densities.items()
    }
    tables = [c for c in tutorial.CLAIMS if c.text.startswith("table")]
    assert len(tables) == 12
    for claim in tables:
        (value,) = claim.values({0: figures})
        assert f"{value:g} bits" == claim.published
        assert claim.verdict([value], "full") == "reproduced"
        assert claim.verdict([value + 0.1], "full") == "not reproduced"
    value, verdict = judged(tutorial, "IWAE has the lower", figures)
    assert value == pytest.approx(0.04)
    assert verdict == "reproduced"
    figures["VAE, 2 spirals"]["nll"] = -2.30
    assert judged(tutorial, "IWAE has the lower", figures)[1] == "not reproduced"


@pytest.mark.parametrize(
    ("before", "after", "verdict"), [(16, 3, "reproduced"), (16, 15, "not reproduced")]
)
def test_components_left_in_another_unit(before, after, verdict):
    figures = {
        f"{scale}, digits times {unit}": {"components in use": n}
        for scale in ("fixed scale", "learned scale")
        for unit, n in (("1", before), ("0.1", after))
    }
    value, found = judged(tutorial, "5.1, squared", figures)
    assert value == after / before
    assert found == verdict
    assert judged(tutorial, "5.1, logarithm", figures)[1] != verdict


def figures_by_dimension(**values):
    return {
        f"d = {d}": {name.replace("_", " "): v[i] for name, v in values.items()}
        for i, d in enumerate((2, 20, 200, 800))
    }


def test_the_claims_about_the_latent_dimension():
    gaps = {"gap per component, %": [20, 24, 2.5, 1.2]}
    figures = figures_by_dimension(
        **gaps,
        deviation_of_log_ratio=np.sqrt([1, 10, 100, 400]),
        variance_of_samples=[0.05, 0.04, 0.03, 0.02],
        squared_error=[0.03, 0.02, 0.022, 0.025],
        rate=[261.5, 253.3, 265.5, 266.6],
        KL=[10, 16, 18, 20],
    )
    text = ("fig. 3", "reading 1", "fig. 4", "fig. 5", "the title", "the code costs")
    values = [judged(latent_dimension, t, figures)[0] for t in text]
    assert values == pytest.approx([1.2 / 2.5, 1, 0.5, 1.25, 13.3, 1.25])
    del figures["d = 200"]
    assert claim_of(latent_dimension, "fig. 3").values({0: figures}) == []


def test_a_part_that_is_missing_from_the_rate_is_seen():
    parts = {"reconstruction": 7.0, "total correlation": 1.0, "dimension-wise KL": 0.5}
    figures = {
        "d = 2": {"rate": 10.0, "mutual information": 1.5, **parts},
        "d = 20": {"rate": 10.0, "mutual information": 1.75, **parts},
    }
    assert judged(latent_dimension, "eq. 2", figures) == (0.25, "not reproduced")
    figures["d = 20"]["mutual information"] = 1.5
    assert judged(latent_dimension, "eq. 2", figures) == (0.0, "reproduced")


def test_the_rate_of_a_model_is_that_of_its_bound():
    X = np.random.default_rng(0).normal(size=(90, 3))
    vae = VAE(2, max_epochs=2, random_state=0).fit(X[:60])
    figures = latent_dimension.figures_of_rate(vae, X[60:], 0)
    found = rate_decomposition(vae, X[60:], random_state=0)
    assert figures["rate"] == found.rate.value
    assert figures["rate, SE"] == found.rate.standard_error
    assert figures["dimension-wise KL"] == found.dimension_wise_kl.value
    assert figures["bits per feature"] == found.bits_per_dimension.value
    code = figures["mutual information"] + figures["marginal KL"]
    assert figures["KL"] == pytest.approx(code)


@pytest.mark.parametrize("data", stages.DATA)
def test_the_claims_about_components(data):
    def judge(start, posterior, decoded):
        posterior = np.array(posterior)
        cell = {
            "posterior variances": posterior.tolist(),
            "decoded variances": decoded,
            "variances above 0.9": int((posterior > 0.9).sum()),
            "variances of 0.1 to 0.9": np.mean((posterior > 0.1) & (posterior < 0.9)),
        }
        return judged(stages, f"{data}: {start}", {f"{data}, two stages": cell})

    printed = [1.00, 0.02, 0.01], [0, 37.7, 357]  # figure 1b
    starts = ("fig. 1b, super", "fig. 1b, their", "fig. 1b, rank", "theorem 4")
    found = [judge(start, *printed) for start in starts]
    assert [value for value, _ in found] == pytest.approx([1, 0, -1, 0])
    assert {verdict for _, verdict in found} == {"reproduced"}
    value, verdict = judge("fig. 1b, their", [1.0, 0.95, 0.01], [1, 2, 97])
    assert (value, verdict) == (pytest.approx(0.03), "not reproduced")
    none = [0.8, 0.02, 0.01], [300, 37.7, 40]
    found = [judge(start, *none)[1] for start in starts if "their" not in start]
    assert found == ["not reproduced"] * 3
    with pytest.raises(ValueError, match="not enough"):  # no component, no share
        judge("fig. 1b, their", *none)


def test_the_least_gain_in_dark_mass_decides():
    masses = {"VAE": (0.3, 0.2, 0.4), "IWAE": (0.1, 0.15, 0.2)}
    figures = {
        f"{model}, {density}": {"dark mass": mass}
        for model, found in masses.items()
        for density, mass in zip(tutorial.DENSITIES, found, strict=True)
    }
    value, verdict = judged(tutorial, "figs. 1 and 2", figures)
    assert (value, verdict) == (pytest.approx(0.05), "reproduced")
    figures["IWAE, checkerboard"]["dark mass"] = 0.21
    assert judged(tutorial, "figs. 1 and 2", figures)[1] == "not reproduced"


def test_means_are_bounded_even_where_rows_do_not_show_it():
    settings = {"data": "MNIST", "model": "RAE-SN", "epochs": 1, "layer": None}
    assert rae.make_model(settings, 0).likelihood.bounds == (0, 1)
    weight = settings | {"model": "VAE", "beta": 0.3}
    assert rae.make_model(weight, 0).likelihood.bounds == (0, 1)
    shared = {"n_components": 4, "layer": 8, "epochs": 1, "second_epochs": 1}
    for name in ("two stages", "fixed scale", "flow", "WAE-MMD", "WAE-GAN"):
        model = make_model({"model": name, "second_width": 8, **shared}, 0)
        assert model.likelihood.bounds == (0, 1), name


def network(n_layers, n_weights, matching):
    return {
        "layers": n_layers,
        "weights": n_weights,
        "error to input": matching,
        "error to average": 0.0,
    }


def test_depth_and_weights_are_told_apart():
    figures = {
        f"network {i}": network(1 + i % 3, 100 * i, i % 3)
        for i in range(len(matching.GRID))
    }
    value, verdict = judged(matching, "fig. 4: matching rises", figures)
    assert value == pytest.approx(1)
    assert verdict == "reproduced"
    assert judged(matching, "fig. 4: and less", figures)[0] > 0.8
    for i, f in enumerate(figures.values()):
        f["error to average"] = -i  # now the number of weights decides
    assert judged(matching, "fig. 4: and less", figures)[1] == "not reproduced"


def test_the_grid_has_seventeen_networks_and_one_that_grows():
    names = {matching.name_of({"layer": 400}, shares) for shares in matching.GRID}
    assert len(names) == len(matching.GRID) == 17
    assert [len(shares) for shares in matching.GRID].count(1) == 6
    n_units = [sum(shares) for shares in matching.GROWN]
    assert n_units == sorted(n_units)


def test_the_claims_about_held_out_digits():
    figures = {
        f"{digit}, {depth}, {seen}": {
            "nearer to input": share,
            "nearer by cross-entropy": (1 + share) / 2,
            "nearer by excess": share / 2,
            "error to average": 0.1 if seen == "seen" else 0.2,
            "perplexity, median": 1.2 + (digit == 3) * (depth == "3 layers"),
        }
        for digit in (3, 9)
        for depth, share in (("1 layer", 0.9), ("3 layers", 0.5 + digit / 20))
        for seen in ("unseen", "seen")
    }
    starts = ("fig. 2: share", "fig. 2 and", "fig. 1: perp", "fig. 1: they", "a seen")
    values = [judged(matching, start, figures)[0] for start in starts]
    assert values == pytest.approx([0.1, 0.5, 2.2, 1.0, 0.5])
    starts = ("fig. 2, by cross-entropy as", "fig. 2, by cross-entropy less", "against")
    values = [judged(matching, start, figures)[0] for start in starts]
    assert values == pytest.approx([0.05, 0.05, 0.5])


def test_three_errors_are_three_shares(tmp_path):
    sizes, job = matching.SCALES["smoke"], Job("smoke", tmp_path)
    cell = Cell("a", matching.cells(sizes)["9, 1 layer, unseen"], 0)
    figures = matching.compute(cell, job)
    assert figures["nearer by cross-entropy"] > figures["nearer by excess"]
    layer, d, n = 16, 4, 64
    encoder = n * layer + layer + layer * 2 * d + 2 * d
    assert figures["weights"] == encoder + d * layer + layer + layer * n + n
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "a-seed-0.png",
        "errors-of-a-seed-0.png",
    ]
