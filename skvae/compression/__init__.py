"""Lossless compression of rows: a message as long as the bound of a model says."""

from skvae.compression.coding import compress, decompress

__all__ = ["compress", "decompress"]
