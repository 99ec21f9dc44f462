"""Kernels with one fault each, to see what a model can repair: `python -m harness.minds.try`."""
