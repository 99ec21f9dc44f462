"""Bilinear schemes such as Strassen: notation, proof, composition, cost, and the schemes that ship as data."""
