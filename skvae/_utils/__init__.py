"""Checks of parameters, random numbers, devices, and rows of arrays."""
