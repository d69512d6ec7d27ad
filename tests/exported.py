"""What an exported part gives, beside what the method of the estimator gives."""

import io

import numpy as np
import onnxruntime
import torch

from skvae.export import to_exported_program, to_onnx

SIZES = (1, 2, 7, 1000)
METHODS = {
    "encoder": "transform",
    "decoder": "inverse_transform",
    "reconstruct": "reconstruct",
}
RTOL, ATOL = 2e-5, 2e-6  # of a value, and of the largest one


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
    scale = np.abs(expected).max(where=np.isfinite(expected), initial=0)
    error = np.abs(actual - expected) - RTOL * np.abs(expected) - ATOL * scale
    assert np.array_equal(np.isnan(actual), np.isnan(expected))
    assert np.nanmax(error) <= 0, np.nanmax(error) / scale


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
