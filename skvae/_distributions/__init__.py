"""Distributions of tensors, drawn from explicit noise, and their discrepancies."""
