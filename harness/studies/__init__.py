"""Measuring scripts: clock_evidence, throughput, compare_minds and retrieval.

Each is run with `python -m harness.studies.NAME` and writes its figures to a .json and a .md file in results/.
"""
