"""Bilinear schemes such as Strassen's: symbolic notation, proof, composition, cost, and the shipped schemes."""
