"""Exported encoders and decoders give what the methods of the estimator give."""

import builtins
import json
import sys
import warnings

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from conftest import make_data, small
from exported import METHODS, assert_close, assert_exported, run_onnx, run_program
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skvae
from skvae import VAE
from skvae.densities import ClassConditionalDensity
from skvae.export import onnx, to_exported_program, to_onnx
from skvae.networks import CustomNetwork

SLOW = pytest.mark.slow


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
