"""Times a kernel against BLAS: paired turns, confidence intervals, the floor."""
