"""Exported encoders and decoders give what the methods of the estimator give."""

import builtins
import io
import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import (
    IMAGE_NETWORKS,
    LIKELIHOODS,
    NETWORKS,
    POSTERIORS,
    describe,
    make_data,
    small,
    small_estimators,
)
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skvae
from skvae import VAE
from skvae.densities import ClassConditionalDensity
from skvae.export import _decompositions, onnx, to_exported_program, to_onnx
from skvae.networks import CustomNetwork

onnxruntime = pytest.importorskip("onnxruntime")
SLOW = pytest.mark.slow
SIZES = (1, 2, 7, 1000)
METHODS = {
    "encoder": "transform",
    "decoder": "inverse_transform",
    "reconstruct": "reconstruct",
}
RTOL, ATOL = 2e-5, 2e-6  # of a value, and of the largest in its column


def run_onnx(path, rows):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = [i.name for i in session.get_inputs()]
    return session.run(None, {name: rows})[0]


def run_program(program, rows):
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file).module()(torch.from_numpy(rows)).numpy()


def many(rows, n):
    return np.concatenate([rows] * -(-n // len(rows)))[:n]


def assert_close(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    scale = np.abs(expected).max(0, where=np.isfinite(expected), initial=0)
    error = np.abs(actual - expected) - RTOL * np.abs(expected) - ATOL * scale
    assert np.array_equal(np.isnan(actual), np.isnan(expected))
    assert np.nanmax(error) <= 0, np.nanmax(error / np.maximum(scale, 1e-300))


def assert_exported(model, rows, part, tmp_path, sizes=SIZES, **options):
    """Assert that a part, as either kind of program, equals a method of the model."""
    method = getattr(model, METHODS[part])
    if part == "decoder":
        rows = model.transform(rows)
    path = str(tmp_path / f"{part}.onnx")
    to_onnx(model, path, part, **options)
    program = to_exported_program(model, part, **options)
    for n in sizes:
        some = many(rows, n)
        assert_close(run_onnx(path, some), method(some))
        assert_close(run_program(program, some), method(some))


@pytest.fixture(scope="module")
def rows():
    return make_data(300)


@pytest.fixture(scope="module")
def model(rows):
    return small(max_epochs=5).fit(rows)


@pytest.fixture(scope="module")
def encoder(model, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("onnx") / "encoder.onnx")
    to_onnx(model, path)
    return path


@SLOW
@pytest.mark.parametrize("part", METHODS)
def test_parts_equal_the_methods(model, rows, part, tmp_path):
    assert_exported(model, rows, part, tmp_path)


def test_rows_far_out_are_seen_at_the_same_distance(model, rows, encoder):
    far = np.concatenate([rows[:20] * 10.0**k for k in range(2, 30, 3)])
    far = far.astype(np.float32)
    expected = model.transform(far)
    np.testing.assert_allclose(run_onnx(encoder, far), expected, rtol=1e-4)
    program = to_exported_program(model)
    np.testing.assert_allclose(run_program(program, far), expected, rtol=1e-4)


def test_gaps_are_seen_as_means_and_rows_of_gaps_as_the_prior(model, rows, encoder):
    gaps = rows.copy()
    gaps[::3, 1] = gaps[::4, 2] = gaps[5] = np.nan
    got = run_onnx(encoder, gaps)
    assert_close(got, model.transform(gaps))
    np.testing.assert_array_equal(got[5], 0)
    assert_close(run_program(to_exported_program(model), gaps), model.transform(gaps))


@pytest.mark.parametrize("part", ["encoder", "reconstruct"])
def test_what_an_estimator_refuses_has_codes_of_nan(model, rows, part):
    bad = rows.astype(np.float64)
    bad[1, 2], bad[3, 0] = np.inf, 1e39
    with pytest.raises(ValueError, match="infinity"):
        model.transform(bad)
    program = to_exported_program(model, part, dtype=np.float64)
    out = run_program(program, bad[:5])
    expected = [False, True, False, True, False]
    np.testing.assert_array_equal(np.isnan(out).all(axis=1), expected)
    np.testing.assert_array_equal(np.isnan(out).any(axis=1), expected)


def test_names_shapes_and_metadata_are_in_the_file(model, encoder, tmp_path):
    session = onnxruntime.InferenceSession(encoder)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape[1:], given.name) == ("X", [5], "Z")
    assert isinstance(taken.shape[0], str)
    assert session.get_modelmeta().custom_metadata_map == {
        "skvae_version": skvae.__version__,
        "estimator": "VAE",
        "part": "encoder",
        "n_components": "2",
        "row_shape": "[5]",
    }
    path = str(tmp_path / "decoder.onnx")
    to_onnx(model, path, "decoder")
    session = onnxruntime.InferenceSession(path)
    names = session.get_inputs()[0].name, session.get_outputs()[0].name
    assert names == ("Z", "X_decoded")


def test_a_part_holds_no_weights_of_the_other(model):
    encoder, decoder = (to_exported_program(model, p) for p in ("encoder", "decoder"))
    assert not [k for k in encoder.state_dict if "decoder" in k]
    assert not [k for k in decoder.state_dict if "encoder" in k]


def test_exporting_is_quiet_and_changes_nothing(model, rows, tmp_path, capfd):
    before = {k: v.clone() for k, v in model.module_.state_dict().items()}
    gradients = [p.requires_grad for p in model.module_.parameters()]
    state, frame = torch.get_rng_state(), model.module_.frame
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(model, tmp_path / "quiet.onnx", "reconstruct")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert torch.equal(state, torch.get_rng_state())
    assert model.module_.frame is frame
    assert [p.requires_grad for p in model.module_.parameters()] == gradients
    for name, value in model.module_.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_file_is_replaced_as_a_whole_or_not_at_all(model, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(onnx.os, "fsync", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        to_onnx(model, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_missing_packages_are_named_with_their_extra(
    model, package, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs the package {package}.*\[export\]"):
        to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_program_needs_no_package_for_onnx(model, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        assert not name.startswith("onnx"), name
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    to_exported_program(model)


def test_what_cannot_be_exported_is_refused(model, X, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(NotFittedError):
        to_onnx(VAE(), path)
    with pytest.raises(TypeError, match="the last step"):
        to_onnx(make_pipeline(StandardScaler(), model), path)
    with pytest.raises(ValueError, match=r"'part' parameter of to_onnx.*'score'"):
        to_onnx(model, path, "score")
    for dtype in ("complex64", "nonsense", "U3"):
        with pytest.raises(TypeError, match="'dtype' parameter of to_exported_program"):
            to_exported_program(model, dtype=dtype)
    assert not path.exists()


class Branching(nn.Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(2 * x)


class Bessel(nn.Linear):
    def forward(self, x):
        return torch.special.bessel_j0(super().forward(x))


@pytest.mark.filterwarnings("ignore:.*")
def test_networks_that_cannot_be_traced_are_named(X):
    model = small(network=CustomNetwork(Branching, nn.Linear), max_epochs=1).fit(X)
    with pytest.raises(ValueError, match=r"encoder of VAE into a program.*control fl"):
        to_exported_program(model)
    to_exported_program(model, "decoder")


@pytest.mark.filterwarnings("ignore:.*")
def test_operations_that_onnx_lacks_are_named(X, tmp_path):
    network = CustomNetwork(lambda a, b: nn.Sequential(nn.Linear(a, b)), nn.Linear)
    model = small(network=network, max_epochs=1).fit(X)
    model.module_.encoder = Bessel(5, 4)
    with pytest.raises(ValueError, match=r"(?s)no form in ONNX.*bessel.*exported_prog"):
        to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert_close(run_program(to_exported_program(model), X), model.transform(X))


@SLOW
def test_float64_far_from_zero_keeps_its_digits(rows, tmp_path):
    far = rows.astype(np.float64) * 1e-3 + 1e6
    model = small(max_epochs=5).fit(far)
    assert not model.module_.frame.is_plain
    for part in METHODS:
        assert_exported(model, far, part, tmp_path, sizes=(1, 300))
    path = str(tmp_path / "reconstruct.onnx")
    error = run_onnx(path, far) - model.reconstruct(far)
    assert np.abs(error).max() < 1e-7  # float32 has steps of 0.06 here


@SLOW
@pytest.mark.parametrize(
    ("shape", "dtype", "params"),
    [
        ((6, 6), "uint8", {}),
        ((3, 8, 8), "uint8", {"network": "convnet"}),
        ((1, 9, 9), "float32", {"network": "convnet"}),
        ((4,), "bool", {"likelihood": "bernoulli"}),
        ((4,), "int64", {"likelihood": "poisson"}),
    ],
    ids=str,
)
def test_rows_have_the_shape_and_the_type_of_the_users(shape, dtype, params, tmp_path):
    high = {"bool": 2, "int64": 20}.get(dtype, 256)
    X = np.random.default_rng(0).integers(0, high, (60, *shape)).astype(dtype)
    model = small(max_epochs=1, **params).fit(X)
    for part in ("encoder", "reconstruct"):
        assert_exported(model, X, part, tmp_path, sizes=(1, 7), dtype=dtype)


@SLOW
def test_constant_columns(rows, tmp_path):
    X = rows.copy()
    X[:, 2] = 3.7
    model = small().fit(X)
    other = X + np.float32([0, 0, 1e-3, 0, 0])
    assert_exported(model, other, "reconstruct", tmp_path, sizes=(300,))


def table(n=200):
    rng = np.random.default_rng(0)
    h = rng.standard_normal((n, 2))
    frame = pd.DataFrame(
        {
            "amount": np.exp(h[:, 0]),
            "share": h[:, 1],
            "kind": rng.choice(["x", "y", "z"], n),
            "rooms": rng.integers(0, 5, n).astype(float),
        }
    )
    frame.loc[::7, "amount"] = np.nan
    frame.loc[::9, "kind"] = None
    return frame


def codes_of_table(frame):
    codes = {"x": 0, "y": 1, "z": 2, None: np.nan, np.nan: np.nan}
    kind = [codes.get(k, np.nan) for k in frame["kind"]]
    return frame.assign(kind=np.array(kind, dtype=float)).to_numpy(np.float64)


@SLOW
def test_tables_are_arrays_of_numbers_and_codes(tmp_path):
    frame = table()
    model, rows = small(max_epochs=5).fit(frame), codes_of_table(frame)
    paths = {part: str(tmp_path / f"{part}.onnx") for part in METHODS}
    for part, path in paths.items():
        to_onnx(model, path, part)
    Z = run_onnx(paths["encoder"], rows)
    assert_close(Z, model.transform(frame))
    expected = model.inverse_transform(Z)
    decoded = run_onnx(paths["decoder"], Z)
    # Columns of whole numbers are rounded by the estimator, those of ONNX are not.
    of_frame = codes_of_table(expected)
    for j in (0, 1):
        np.testing.assert_allclose(decoded[:, j], of_frame[:, j], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(decoded[:, 2], of_frame[:, 2])
    np.testing.assert_array_equal(np.round(decoded[:, 3]), of_frame[:, 3])
    again = run_onnx(paths["reconstruct"], rows)
    complete = ~np.isnan(rows).all(axis=1)
    np.testing.assert_allclose(again[complete], decoded[complete], rtol=1e-5, atol=1e-6)
    metadata = onnxruntime.InferenceSession(paths["encoder"]).get_modelmeta()
    columns = json.loads(metadata.custom_metadata_map["columns"])
    assert columns[2] == {
        "name": "kind",
        "kind": "category",
        "categories": ["x", "y", "z"],
    }
    assert columns[0] == {"name": "amount", "kind": "number", "categories": None}


@SLOW
def test_the_first_stage_of_two_and_models_of_classes(digits, tmp_path):
    X, y = digits
    two = small(skvae.TwoStageVAE).fit(X)
    assert_exported(two, X, "encoder", tmp_path, sizes=(7,))
    codes = two.transform(X)
    assert_exported(two.second_stage_, codes, "encoder", tmp_path, sizes=(7,))
    of_classes = small(latent_density=ClassConditionalDensity()).fit(X, y)
    assert_exported(of_classes.of_class(3), X, "decoder", tmp_path, sizes=(7,))


EVERYTHING = [
    *small_estimators(),
    *(small(likelihood=likelihood) for likelihood in LIKELIHOODS),
    *(small(posterior=posterior) for posterior in POSTERIORS),
    *(small(network=network) for network in NETWORKS),
]


@SLOW
@pytest.mark.parametrize("estimator", EVERYTHING, ids=describe)
def test_every_part_can_be_exported(estimator, tmp_path):
    X = make_data(100)
    if not isinstance(estimator.likelihood, str) and estimator.likelihood.discrete:
        X = np.round(X * 5) if estimator.likelihood.support is None else X
    model = estimator.fit(X)
    assert_exported(model, X, "reconstruct", tmp_path, sizes=(1, 100))


@SLOW
@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_networks_of_images_can_be_exported(network, tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (40, 3, 17, 16)).astype(np.uint8)
    model = small(network=network, max_epochs=1).fit(X)
    assert_exported(model, X, "reconstruct", tmp_path, sizes=(1, 7), dtype="uint8")


LOADED = """
import sys
import torch
program = torch.export.load({path!r}).module()
Z = program(torch.load({rows!r}))
assert not any(name.split(".")[0] in ("skvae", "sklearn") for name in sys.modules)
torch.save(Z, {codes!r})
"""


@SLOW
def test_a_program_runs_where_there_is_no_skvae(model, rows, tmp_path):
    paths = {n: str(tmp_path / n) for n in ("program.pt2", "rows.pt", "codes.pt")}
    torch.export.save(to_exported_program(model), paths["program.pt2"])
    torch.save(torch.from_numpy(rows), paths["rows.pt"])
    names = dict(zip(("path", "rows", "codes"), paths.values(), strict=True))
    command = [sys.executable, "-c", LOADED.format(**names)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert_close(torch.load(paths["codes.pt"]).numpy(), model.transform(rows))


def test_the_normal_distribution_function_has_the_digits_of_its_tail():
    from scipy.special import ndtr

    x = np.concatenate([np.linspace(-37, 37, 10001), [-np.inf, np.inf, 0.0]])
    got = _decompositions.ndtr(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, ndtr(x), rtol=1e-12, atol=1e-200)
    assert np.isnan(_decompositions.ndtr(torch.tensor([torch.nan]))).all()


@pytest.mark.parametrize("right", [False, True])
def test_places_among_edges_are_those_of_numpy(right):
    rng = np.random.default_rng(0)
    edges = np.sort(rng.integers(0, 9, (3, 7)), axis=1).astype(np.float32)
    values = rng.integers(-1, 10, (3, 50)).astype(np.float32)
    got = _decompositions.searchsorted(*map(torch.tensor, (edges, values)), right=right)
    side = "right" if right else "left"
    for row, found, e in zip(values, got.numpy(), edges, strict=True):
        np.testing.assert_array_equal(found, np.searchsorted(e, row, side))
