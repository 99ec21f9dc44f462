"""Measuring scripts: bench, clock_evidence, compare_minds, duels, retrieval, search_curves, throughput.

Each is run with `python -m harness.studies.NAME` and writes its figures to a .json and a .md file in results/; bench
and search_curves also write an .svg.
"""
