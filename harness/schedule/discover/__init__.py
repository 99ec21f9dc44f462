"""Discovery of bilinear schemes on this machine: flip graphs modulo 2, lifting to the integers, proof."""
