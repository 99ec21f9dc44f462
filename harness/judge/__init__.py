"""Judges whether a kernel computes the product: shapes, data, oracles, and the client of the sandboxed worker."""
