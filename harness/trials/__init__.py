"""Faulty kernels to repair and outlines of kernels to write, to see what a model can: `python -m harness.minds.try`."""
