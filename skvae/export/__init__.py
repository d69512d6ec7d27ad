"""Encoders and decoders as programs that run without skvae, or without torch.

They take rows in the units, the shape and the type of X, and give what the methods of
the estimator do.
"""

from skvae.export.onnx import to_onnx
from skvae.export.programs import to_exported_program

__all__ = ["to_exported_program", "to_onnx"]
