"""Trains a LoRA adapter of a small model on what the judge has decided: `python -m harness.minds.learn`."""
