"""Measures of a generative model, as functions of two sets of rows."""
